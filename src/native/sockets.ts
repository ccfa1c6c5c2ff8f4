/**
 * Stream sockets in our words. Descriptors are plain numbers here; whoever opens one closes it.
 * Functions of the hot path return what the kernel would: a count, or a negative errno.
 */

import { assert } from '../base/assert.ts';
import { atPlace, CarelessPath, removeFile, statsOf } from '../base/careful-files.ts';
import { SluiceError } from '../base/errors.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { TcpFigure } from '../base/tcp-figures.ts';
import { counted } from './counters.ts';
import { Errno, errnoName, lastErrno } from './errno.ts';
import { libc } from './libc-table.ts';
import { transientAddressOf } from './load.ts';
import { addressOf, NativeBuffer } from './memory.ts';
import {
  AF_INET6,
  AF_UNIX,
  ConnectionAddress,
  encodeSocketAddress,
  SOCKADDR_BYTES_MAX,
} from './socket-address.ts';

const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x8_0000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const SO_LINGER = 13;
const SO_REUSEPORT = 15;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_INFO = 11;
const TCP_FASTOPEN = 23;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const MSG_PEEK = 2;
const MSG_NOSIGNAL = 0x4000;
const MSG_MORE = 0x8000;
const SHUT_WR = 1;
const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0x800;
const F_SETFD = 2;
const FD_CLOEXEC = 1;

const { recv, send, accept4 } = libc.direct;

const OPTION_OFFSET = SOCKADDR_BYTES_MAX;
const LENGTH_OFFSET = OPTION_OFFSET + 16;
const scratch = NativeBuffer.allocate(4096);
const scratchAddress = addressOf(scratch);
const optionAddress = scratchAddress + BigInt(OPTION_OFFSET);
/** As much of `struct tcp_info` (linux/tcp.h) as is read. */
const TCP_INFO_BYTES = 168;
const TCPI_BYTES_ACKED = 120;
/** Where 32 bits of each are; of the rate they are the lower half. */
const TCP_FIGURES: Readonly<Record<TcpFigure, number>> = {
  rtt: 68,
  rttvar: 72,
  'min-rtt': 148,
  retransmits: 100,
  cwnd: 80,
  mss: 16,
  'delivery-rate': 160,
};
const INFO_OFFSET = LENGTH_OFFSET + 16;
const infoAddress = scratchAddress + BigInt(INFO_OFFSET);
const lengthAddress = scratchAddress + BigInt(LENGTH_OFFSET);

/** Listening sockets that this process has opened, as opposed to inherited. */
const ownListening = new Set<number>();

// ------------------------------------------------------------------ the hot path

/** Receives at most `length` bytes to the start of `buffer`. 0 is the end of input. */
export function receive(fd: number, buffer: NativeBuffer, length: number): number {
  const count = recv(fd, addressOf(buffer), length, 0);
  return count >= 0 ? count : -lastErrno();
}

/** Whether input waits: 1 when it does, 0 at its end, or the errno that `receive` would give. */
export function peek(fd: number, buffer: NativeBuffer): number {
  const count = recv(fd, addressOf(buffer), 1, MSG_PEEK);
  return count >= 0 ? count : -lastErrno();
}

/**
 * Sends the first `length` bytes of a buffer. With `more`, a last segment that is not full waits for
 * what is sent next. Never raises SIGPIPE.
 */
export function sendNative(fd: number, buffer: NativeBuffer, length: number, more = false): number {
  const flags = more ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL;
  const count = send(fd, addressOf(buffer), length, flags);
  return count >= 0 ? count : -lastErrno();
}

/** Sends `length` bytes of a buffer from `offset` on. */
export function sendNativeFrom(
  fd: number,
  buffer: NativeBuffer,
  offset: number,
  length: number,
): number {
  const count = send(fd, addressOf(buffer) + BigInt(offset), length, MSG_NOSIGNAL);
  return count >= 0 ? count : -lastErrno();
}

/** Sends bytes of JavaScript memory. */
export function sendBytes(fd: number, bytes: Uint8Array): number {
  const count = send(fd, transientAddressOf(bytes), bytes.length, MSG_NOSIGNAL);
  return count >= 0 ? count : -lastErrno();
}

/**
 * Takes one waiting connection, non-blocking and closed on exec. `acceptedAddress` tells whose it
 * is until the next call.
 */
export function accept(fd: number): number {
  scratch.bytes.writeUInt32LE(SOCKADDR_BYTES_MAX, LENGTH_OFFSET);
  const accepted = accept4(fd, scratchAddress, lengthAddress, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (accepted < 0) return -lastErrno();
  counted('fd', 1);
  return accepted;
}

/** The peer of the connection that `accept` has just returned. */
export function acceptedAddress(): ConnectionAddress {
  return new ConnectionAddress(scratch.bytes);
}

// ------------------------------------------------------------------ opening and closing

/** Closes a descriptor once. */
export function closeDescriptor(fd: number): void {
  const status = libc.direct.close(fd);
  // EINTR leaves the descriptor closed on Linux (close(2)); EBADF means that we closed it twice.
  assert(status === 0 || lastErrno() === Errno.EINTR, `descriptor ${fd} was open`);
  ownListening.delete(fd);
  counted('fd', -1);
}

/**
 * Begins to connect. Returns the descriptor and errno: 0 when connected at once, EINPROGRESS while
 * the answer is awaited, anything else for a failure that the caller reports and closes.
 */
export function connectStream(address: SocketAddress): { fd: number; errno: number } {
  const { family, length } = encodeSocketAddress(address, scratch.bytes);
  const fd = openStream(family);
  if (fd < 0) return { fd: -1, errno: -fd };
  if (family !== AF_UNIX) setIntegerOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  const status = libc.checked.connect(fd, scratchAddress, length);
  return { fd, errno: status === 0 ? 0 : lastErrno() };
}

/** Ends our sending side: a FIN follows what has been sent. Returns 0 or a negative errno. */
export function shutdownSending(fd: number): number {
  return libc.direct.shutdown(fd, SHUT_WR) === 0 ? 0 : -lastErrno();
}

/** Makes the next close of a TCP socket send a reset and drop what is unsent (socket(7)). */
export function resetOnClose(fd: number): void {
  scratch.bytes.writeInt32LE(1, OPTION_OFFSET);
  scratch.bytes.writeInt32LE(0, OPTION_OFFSET + 4);
  libc.checked.setsockopt(fd, SOL_SOCKET, SO_LINGER, optionAddress, 8);
}

/** Takes the socket's pending error: its errno, or 0. */
export function takeSocketError(fd: number): number {
  return integerOption(fd, SOL_SOCKET, SO_ERROR);
}

/** Bytes that the peer's kernel has taken, modulo 2^32; 0 where it does not tell (UNIX sockets). */
export function bytesAcknowledged(fd: number): number {
  scratch.bytes.writeUInt32LE(TCP_INFO_BYTES, LENGTH_OFFSET);
  scratch.bytes.fill(0, INFO_OFFSET, INFO_OFFSET + TCP_INFO_BYTES);
  const status = libc.checked.getsockopt(fd, IPPROTO_TCP, TCP_INFO, infoAddress, lengthAddress);
  return status === 0 ? scratch.bytes.readUInt32LE(INFO_OFFSET + TCPI_BYTES_ACKED) : 0;
}

/** -1 where the kernel does not say: UNIX sockets, old kernels. */
export function tcpFigure(fd: number, figure: TcpFigure): number {
  scratch.bytes.writeUInt32LE(TCP_INFO_BYTES, LENGTH_OFFSET);
  const status = libc.checked.getsockopt(fd, IPPROTO_TCP, TCP_INFO, infoAddress, lengthAddress);
  const at = TCP_FIGURES[figure];
  if (status !== 0 || scratch.bytes.readUInt32LE(LENGTH_OFFSET) < at + 8) return -1;
  const low = scratch.bytes.readUInt32LE(INFO_OFFSET + at);
  if (figure !== 'delivery-rate') return low;
  return scratch.bytes.readUInt32LE(INFO_OFFSET + at + 4) * 2 ** 32 + low;
}

/** Our own end of a socket. */
export function localAddress(fd: number): ConnectionAddress {
  scratch.bytes.writeUInt32LE(SOCKADDR_BYTES_MAX, LENGTH_OFFSET);
  libc.checked.getsockname(fd, scratchAddress, lengthAddress);
  return new ConnectionAddress(scratch.bytes);
}

/** Where a listening socket listens. */
export function listeningAddress(fd: number): SocketAddress {
  const { family, text, port } = localAddress(fd);
  if (family !== AF_UNIX) return { host: text, port };
  const end = scratch.bytes.indexOf(0, 2);
  return { path: scratch.bytes.toString('utf8', 2, end) };
}

/** Whether small sends leave at once (Nagle's algorithm is off): for tests. */
export function hasNoDelay(fd: number): boolean {
  return integerOption(fd, IPPROTO_TCP, TCP_NODELAY) !== 0;
}

// ------------------------------------------------------------------ listening

export interface ListeningOptions {
  /** Lets several sockets share the port; the kernel spreads connections over them. */
  readonly reusePort?: boolean;
  /** Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn. */
  readonly backlog?: number;
  /** Pending TCP Fast Open requests (RFC 7413); 0 turns it off. */
  readonly fastOpenQueue?: number;
  /** Whether `::` takes IPv6 peers only instead of IPv4 ones too. */
  readonly ipv6Only?: boolean;
}

/** As many as Linux allows by default since 5.4; ATS and nginx leave it lower. */
export const LISTEN_BACKLOG_DEFAULT = 4_096;

/**
 * Opens a listening socket, non-blocking and closed on exec (unless passed on through stdio). A
 * socket file that nobody listens on any more is replaced.
 *
 * Throws SluiceError `address-in-use`, `address-forbidden`, `address-unavailable`,
 * `address-invalid` or `listen-failed`.
 */
export function openListeningSocket(
  address: SocketAddress,
  options: ListeningOptions = {},
): number {
  const { family } = encodeSocketAddress(address, Buffer.alloc(SOCKADDR_BYTES_MAX));
  if ('path' in address) errnoOf(() => removeStaleSocketFile(address.path));
  const fd = openStream(family);
  if (fd < 0) throw addressError(address, -fd);
  setListeningOptions(fd, family, options);
  const errno =
    'path' in address
      ? errnoOf(() => atPlace(address.path, (path) => bindAndListen(fd, { path }, options)))
      : bindAndListen(fd, address, options);
  if (errno !== 0) {
    closeDescriptor(fd);
    throw addressError(address, errno);
  }
  ownListening.add(fd);
  return fd;
}

/**
 * Opens one listening socket per worker on the same address, or for a UNIX path one that all share
 * (the same number `count` times). The port must be free: without this check a second sluice would
 * quietly share the port of the first, since both set SO_REUSEPORT.
 */
export function openListeningSockets(
  address: SocketAddress,
  count: number,
  options: ListeningOptions = {},
): { readonly fds: readonly number[]; readonly port: number } {
  if ('path' in address) {
    const fd = openListeningSocket(address, options);
    return { fds: new Array<number>(count).fill(fd), port: 0 };
  }
  closeDescriptor(openListeningSocket(address, { ...options, reusePort: false }));
  const fds: number[] = [];
  let { port } = address;
  try {
    while (fds.length < count) {
      const fd = openListeningSocket({ host: address.host, port }, { ...options, reusePort: true });
      fds.push(fd);
      port = localAddress(fd).port;
    }
  } catch (error) {
    for (const fd of fds) closeDescriptor(fd);
    throw error;
  }
  return { fds, port };
}

/** This process has opened the socket, so that there is nothing to take over. */
export function noteOpened(fd: number): void {
  ownListening.add(fd);
}

/** Takes over a listening socket inherited from the parent process (or opened above). */
export function adoptDescriptor(fd: number): void {
  if (ownListening.has(fd)) return;
  const flags = libc.checked.fcntl(fd, F_GETFL, 0);
  if (flags < 0) {
    throw new SluiceError('listen-failed', `descriptor ${fd} was not inherited`, {
      blame: 'internal',
    });
  }
  libc.checked.fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  libc.checked.fcntl(fd, F_SETFD, FD_CLOEXEC);
  counted('fd', 1);
}

function openStream(family: number): number {
  const fd = libc.checked.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -lastErrno();
  counted('fd', 1);
  return fd;
}

function setListeningOptions(fd: number, family: number, options: ListeningOptions): void {
  if (family === AF_UNIX) return;
  setIntegerOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (options.reusePort === true) setIntegerOption(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (family === AF_INET6) {
    setIntegerOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, options.ipv6Only === true ? 1 : 0);
  }
  // Accepted sockets inherit it, which saves a system call per connection.
  setIntegerOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  const queue = options.fastOpenQueue ?? 0;
  if (queue > 0) setIntegerOption(fd, IPPROTO_TCP, TCP_FASTOPEN, queue);
}

function bindAndListen(fd: number, address: SocketAddress, options: ListeningOptions): number {
  const { length } = encodeSocketAddress(address, scratch.bytes);
  if (libc.checked.bind(fd, scratchAddress, length) !== 0) return lastErrno();
  const backlog = options.backlog ?? LISTEN_BACKLOG_DEFAULT;
  return libc.checked.listen(fd, backlog) === 0 ? 0 : lastErrno();
}

/** What `body` returns, or the errno of a way to a file that cannot be gone. */
function errnoOf<T>(body: () => T): T | number {
  try {
    return body();
  } catch (error) {
    if (error instanceof CarelessPath) return Errno.ELOOP;
    const { errno } = error as NodeJS.ErrnoException;
    if (errno === undefined) throw error;
    return -errno;
  }
}

/** Removes the file of a UNIX socket that we listened on. Whoever opened the socket does so. */
export function removeSocketFile(path: string): void {
  if (statsOf(path)?.isSocket() === true) removeFile(path);
}

/** A process that dies leaves its socket file behind, and bind would fail for ever after. */
function removeStaleSocketFile(path: string): void {
  // Connecting to a plain file is refused too: only ever remove a socket.
  if (statsOf(path)?.isSocket() !== true) return;
  const { fd, errno } = atPlace(path, (name) => connectStream({ path: name }));
  if (fd >= 0) closeDescriptor(fd);
  if (errno === Errno.ECONNREFUSED) removeSocketFile(path);
}

/** Why an address cannot be listened on: `listen-failed` and others. */
export function addressError(address: SocketAddress, errno: number): SluiceError {
  const place = 'path' in address ? address.path : `${address.host} port ${address.port}`;
  const refused = (code: string, text: string) =>
    new SluiceError(code, `${place}: ${text} (${errnoName(errno)})`, { blame: 'internal' });
  switch (errno) {
    case Errno.EADDRINUSE:
      return refused('address-in-use', 'already in use by another process');
    case Errno.EACCES:
      return refused('address-forbidden', 'this user may not listen there');
    case Errno.ELOOP:
      return refused('address-forbidden', 'the way there leads over a link of another user');
    case Errno.EADDRNOTAVAIL:
      return refused('address-unavailable', 'not an address of this machine');
    default:
      return refused('listen-failed', 'cannot listen there');
  }
}

function setIntegerOption(fd: number, level: number, option: number, value: number): void {
  scratch.bytes.writeInt32LE(value, OPTION_OFFSET);
  const status = libc.checked.setsockopt(fd, level, option, optionAddress, 4);
  // Without these a socket still works, less well; a kernel may lack one (TCP_FASTOPEN).
  assert(status === 0 || option === TCP_FASTOPEN, `setsockopt ${level}/${option} is known`);
}

function integerOption(fd: number, level: number, option: number): number {
  scratch.bytes.writeUInt32LE(4, LENGTH_OFFSET);
  const status = libc.checked.getsockopt(fd, level, option, optionAddress, lengthAddress);
  return status === 0 ? scratch.bytes.readInt32LE(OPTION_OFFSET) : lastErrno();
}
