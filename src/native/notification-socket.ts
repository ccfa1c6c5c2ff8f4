/** Datagrams to the service manager's socket (sd_notify(3)), which Node has no API for. */
import { closeSync } from 'node:fs';
import { lastErrno } from './errno.ts';
import { libc } from './libc-table.ts';
import { addressOf, NativeBuffer } from './memory.ts';
import { AF_UNIX, SOCKADDR_BYTES_MAX } from './socket-address.ts';

const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** `sun_path` (unix(7)). */
const PATH_BYTES_MAX = 107;

/**
 * Sends one datagram to a UNIX socket: a path, or `@NAME` in the abstract namespace. Returns 0, or
 * the errno; ENAMETOOLONG's for a path that does not fit. Never waits: EAGAIN says that the reader
 * has not read what it has (`net.unix.max_dgram_qlen` datagrams, 10 by default), and a send that
 * waited for it would stop the event loop for as long.
 */
export function sendDatagram(path: string, text: string): number {
  const name = Buffer.from(path);
  if (name.length === 0 || name.length > PATH_BYTES_MAX) return ENAMETOOLONG;
  if (name[0] === ABSTRACT) name[0] = 0;
  const fd = libc.checked.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return lastErrno();
  try {
    using address = NativeBuffer.allocate(SOCKADDR_BYTES_MAX);
    address.bytes.fill(0);
    address.bytes.writeUInt16LE(AF_UNIX, 0);
    address.bytes.set(name, 2);
    // An abstract name has no end but the length's; a path counts its NUL.
    const length = 2 + name.length + (name[0] === 0 ? 0 : 1);
    if (libc.checked.connect(fd, addressOf(address), length) !== 0) return lastErrno();
    const bytes = Buffer.from(text);
    using message = NativeBuffer.allocate(Math.max(1, bytes.length));
    message.bytes.set(bytes);
    const flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    const sent = libc.checked.send(fd, addressOf(message), bytes.length, flags);
    return sent < 0 ? lastErrno() : 0;
  } finally {
    closeSync(fd);
  }
}

const ABSTRACT = '@'.charCodeAt(0);
const ENAMETOOLONG = 36;
