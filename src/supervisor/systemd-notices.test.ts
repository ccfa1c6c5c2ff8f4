import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { until } from '../../test/support/waiting.ts';
import { libc } from '../native/libc-table.ts';
import { addressOf, NativeBuffer } from '../native/memory.ts';
import { receive } from '../native/sockets.ts';
import { serviceManagerOf } from './systemd-notices.ts';

/** A service manager's socket; what it has heard, a datagram each. */
function listenAt(name: string) {
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

for (const [kind, name] of Object.entries({
  path: () => join(temporaryDirectory(), 'notify'),
  'abstract name': () => `@sluice-test-${process.pid}`,
})) {
  test(`systemd hears at its ${kind} when we serve, reload, hand over and stop`, () => {
    const socket = name();
    using manager = listenAt(socket);
    const told = serviceManagerOf({ NOTIFY_SOCKET: socket }, assert.fail);
    told.ready('serves');
    told.reloading();
    told.mainProcess(7);
    told.stopping();
    const [ready, reloading, ...rest] = manager.heard();
    assert.equal(ready, `READY=1\nSTATUS=serves\nMAINPID=${process.pid}`);
    assert.match(reloading!, /^RELOADING=1\nMONOTONIC_USEC=\d+$/);
    assert.deepEqual(rest, ['MAINPID=7', 'STOPPING=1']);
  });
}

test('its watchdog is fed twice in its time, when it is meant for us', async () => {
  const socket = join(temporaryDirectory(), 'notify');
  using manager = listenAt(socket);
  const environment = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '20000' };
  const others = serviceManagerOf({ ...environment, WATCHDOG_PID: '1' }, assert.fail);
  assert.deepEqual(manager.heard(), []);
  const told = serviceManagerOf({ ...environment, WATCHDOG_PID: String(process.pid) }, assert.fail);
  await until(() => manager.heard().length >= 3, 'three beats');
  told.close();
  others.close();
  assert.deepEqual([...new Set(manager.heard())], ['WATCHDOG=1']);
});

test('without a manager nothing is sent; one that is gone is told of once', () => {
  serviceManagerOf({}, assert.fail).ready('serves');
  const complaints: string[] = [];
  const socket = join(temporaryDirectory(), 'nobody');
  const told = serviceManagerOf({ NOTIFY_SOCKET: socket }, (line) => complaints.push(line));
  told.ready('serves');
  told.stopping();
  assert.deepEqual(complaints, [`the service manager at ${socket} does not listen (errno 2)`]);
});
