/** What a service manager listens at (sd_notify(3)). */
import assert from 'node:assert/strict';
import { libc } from '../../src/native/libc-table.ts';
import { addressOf, NativeBuffer } from '../../src/native/memory.ts';
import { receive } from '../../src/native/sockets.ts';

/** A service manager's socket; what it has heard, a datagram each. */
export function listenAt(name: string) {
  const fd = libc.checked.socket(1, 2 | 0o4000, 0);
  const address = NativeBuffer.allocate(128);
  address.bytes.fill(0).writeUInt16LE(1, 0);
  const length = address.bytes.write(name, 2);
  if (name.startsWith('@')) address.bytes[2] = 0;
  const end = name.startsWith('@') ? 2 + length : 3 + length;
  assert.equal(libc.checked.bind(fd, addressOf(address), end), 0);
  const heard: string[] = [];
  return {
    heard() {
      const buffer = NativeBuffer.allocate(1_024);
      for (;;) {
        const count = receive(fd, buffer, 1_024);
        if (count < 0) break;
        heard.push(buffer.bytes.toString('utf8', 0, count));
      }
      buffer[Symbol.dispose]();
      return heard;
    },
    [Symbol.dispose]() {
      address[Symbol.dispose]();
      libc.checked.close(fd);
    },
  };
}
