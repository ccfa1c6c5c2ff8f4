import type { SluiceError } from '../base/errors.ts';
import type { TcpFigure } from '../base/tcp-figures.ts';
import type { NativeBuffer } from '../native/memory.ts';

/** What a socket tells its owner. Calls never nest: none is made from inside a socket's method. */
export interface SocketHandler {
  /** A connect has succeeded. Never called for accepted sockets. */
  onConnect(): void;
  /** `length` bytes have arrived at the start of `buffer`, which is reused after the return. */
  onData(buffer: NativeBuffer, length: number): void;
  /** The peer has shut down its sending side; ours stays open (half-close). */
  onEnd(): void;
  /** All pending output has gone to the kernel, after `write` had returned false. */
  onDrain(): void;
  /** The last call. `error` is null when both sides ended in order or we destroyed the socket. */
  onClose(error: SluiceError | null): void;
}

/** One stream socket (TCP or UNIX), non-blocking, owned by one reactor. */
export interface StreamSocket {
  /** Bytes accepted by `write` that the kernel has not taken yet. */
  readonly pendingBytes: number;
  /**
   * Changes as the peer takes what was sent, also while the kernel takes nothing more of us: it does
   * that in large steps. A system call.
   */
  readonly takenBytes: number;
  /** See base/tcp-figures.ts. */
  tcpFigure(figure: TcpFigure): number;
  readonly isClosed: boolean;
  /** `127.0.0.1`, `::1` or `unix`; '' before a connect has succeeded. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** As `remoteAddress`, of our end; asked from the kernel. */
  readonly localAddress: string;
  readonly localPort: number;
  /** Bytes that are worth giving to one `write`, as the kernel has taken them lately. */
  readonly bytesAtOnce: number;
  /**
   * Sends the first `length` bytes, after which there is `more` to come at once; what the
   * kernel refuses is copied and kept.
   */
  writeNative(buffer: NativeBuffer, length: number, more?: boolean): boolean;
  /**
   * Sends bytes of JavaScript memory; what the kernel refuses is copied and kept, so the caller may
   * reuse them at once. Returns false when `pendingBytes` is over the high-water mark.
   */
  write(bytes: Uint8Array): boolean;
  pauseReading(): void;
  resumeReading(): void;
  /** Half-closes once pending output has gone. What is written afterwards is dropped. */
  shutdownWrite(): void;
  /** Closes now; pending output is dropped. `onClose(null)` follows in a later turn. */
  destroy(): void;
  /** Closes with a TCP reset (RST), so that the peer sees the message was broken off. */
  reset(): void;
}
