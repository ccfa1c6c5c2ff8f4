/**
 * The C library's `errno`, and what its values mean for a socket. Numbers are Linux's, equal on
 * x86-64 and arm64 (asm-generic/errno.h).
 */
import { type Blame, type Retry, SluiceError } from '../base/errors.ts';
import { SHORTAGES } from '../base/shortage.ts';
import { libc } from './libc-table.ts';
import { viewOf } from './load.ts';

export const Errno = {
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  ENFILE: 23,
  EMFILE: 24,
  EINVAL: 22,
  ENOSPC: 28,
  EPIPE: 32,
  ELOOP: 40,
  EMSGSIZE: 90,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTDOWN: 112,
  EHOSTUNREACH: 113,
  EINPROGRESS: 115,
  EDQUOT: 122,
} as const;

const view = new Int32Array(viewOf(libc.checked.__errno_location(), 4));

/**
 * The error of the native call that has just returned -1. Read it in the next statement: anything
 * that V8 does in between may make system calls of its own.
 */
export function lastErrno(): number {
  return view[0]!;
}

const names = new Map<number, string>(Object.entries(Errno).map(([name, value]) => [value, name]));

/** `ECONNRESET`, or `errno 71` for one that we have no name for. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`;
}

/** Whether it says that we have run out of something ourselves; see base/shortage.ts. */
export function isShortageErrno(errno: number): boolean {
  return SHORTAGES.includes(errnoName(errno));
}

/** The error of a call that wanted more of what we have run out of. */
export function shortageError(what: string, errno: number): SluiceError {
  const message = `${what}: this machine or process has run out (${errnoName(errno)})`;
  return new SluiceError('out-of-resources', message, { blame: 'internal' });
}

/** Of a system call that has failed: a shortage as such, anything else as a fault of ours. */
export function callError(what: string, errno: number): Error {
  if (isShortageErrno(errno)) return shortageError(what, errno);
  return new Error(`${what}: ${errnoName(errno)}`);
}

interface Meaning {
  readonly code: string;
  readonly text: string;
  /** Whether the failure of an open connection may be retried; one of a connect always may. */
  readonly retry: Retry;
}

const RESET: Meaning = {
  code: 'connection-reset',
  text: 'the peer reset the connection',
  retry: 'ifReused',
};
const REFUSED: Meaning = {
  code: 'connection-refused',
  text: 'no program accepts connections at the address',
  retry: 'always',
};
const TIMED_OUT: Meaning = {
  code: 'connection-timed-out',
  text: 'the peer stopped acknowledging what was sent',
  retry: 'ifReused',
};
const HOST_UNREACHABLE: Meaning = {
  code: 'host-unreachable',
  text: 'the host does not answer',
  retry: 'ifReused',
};
const NETWORK_UNREACHABLE: Meaning = {
  code: 'network-unreachable',
  text: 'no route leads to the address',
  retry: 'ifReused',
};
const FAILED: Meaning = {
  code: 'connection-failed',
  text: 'the connection failed',
  retry: 'never',
};

const SHORT: Meaning = {
  code: 'out-of-resources',
  text: 'this machine or process has run out of what a connection takes',
  retry: 'never',
};

const meanings = new Map<number, Meaning>([
  [Errno.ECONNRESET, RESET],
  [Errno.EPIPE, RESET],
  [Errno.ECONNABORTED, RESET],
  [Errno.ECONNREFUSED, REFUSED],
  // A UNIX socket that is not there, or whose queue of connections is full (connect(2)).
  [Errno.ENOENT, REFUSED],
  [Errno.EAGAIN, REFUSED],
  [Errno.ETIMEDOUT, TIMED_OUT],
  [Errno.EHOSTUNREACH, HOST_UNREACHABLE],
  [Errno.ENETUNREACH, NETWORK_UNREACHABLE],
  [Errno.EHOSTDOWN, HOST_UNREACHABLE],
  [Errno.ENETDOWN, NETWORK_UNREACHABLE],
]);

/** The kernel gave up connecting: the same to an owner as its own, usually shorter, time-out. */
const CONNECT_TIMEOUT: Meaning = {
  code: 'connect-timeout',
  text: 'the address did not answer in time',
  retry: 'always',
};

/** The failure of a connection in our words. `connecting`: nothing had been sent on it yet. */
export function connectionError(errno: number, blame: Blame, connecting: boolean): SluiceError {
  const timedOut = connecting && errno === Errno.ETIMEDOUT;
  const isShort = isShortageErrno(errno);
  const known = isShort ? SHORT : (meanings.get(errno) ?? FAILED);
  const meaning = timedOut ? CONNECT_TIMEOUT : known;
  return new SluiceError(meaning.code, `${meaning.text} (${errnoName(errno)})`, {
    // What we lack ourselves is no fault of whoever is at the other end.
    blame: isShort ? 'internal' : blame,
    retry: connecting ? 'always' : meaning.retry,
  });
}
