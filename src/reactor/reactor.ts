/**
 * The reactor of one worker: sockets, listeners and timers on one epoll instance inside Node's own
 * event loop. It knows bytes, not protocols.
 */
import { type Clock, systemClock } from '../base/clock.ts';
import { type Blame, SluiceError } from '../base/errors.ts';
import { isOwnShortage } from '../base/shortage.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { Errno, isShortageErrno, shortageError } from '../native/errno.ts';
import { connectStream, type ListeningOptions, openListeningSocket } from '../native/sockets.ts';
import type { SocketHandler, StreamSocket } from './contract.ts';
import { type DatagramHandler, DatagramListener } from './datagram-listener.ts';
import { Dispatcher } from './dispatcher.ts';
import { Listener, type OnAccept } from './listener.ts';
import { ReactorSocket } from './socket.ts';
import type { Timer } from './timer-wheel.ts';

/** A descriptor inherited from the parent, or where to open one. */
export type ListenOptions = (
  | { readonly fd: number }
  | ({ readonly address: SocketAddress } & ListeningOptions)
) & {
  /** Who is to blame when an accepted connection breaks; `downstream` unless said otherwise. */
  readonly blame?: Blame;
  /** Takes no connections until `replaceResting`; takes them at once unless said otherwise. */
  readonly isResting?: boolean;
};

/** Where to connect: an IP address, not a name. */
export type ConnectTarget = SocketAddress & {
  /** Who is to blame when it fails; `upstream` unless said otherwise. */
  readonly blame?: Blame;
};

export class Reactor {
  readonly #dispatcher: Dispatcher;
  #closing: Promise<void> | null = null;

  constructor(clock: Clock = systemClock) {
    this.#dispatcher = new Dispatcher(clock);
  }

  /**
   * Accepts connections. Throws SluiceError `address-in-use`, `address-forbidden`,
   * `address-unavailable`, `address-invalid` or `listen-failed`.
   */
  listen(options: ListenOptions, onAccept: OnAccept): Listener {
    const inherited = 'fd' in options;
    const fd = inherited ? options.fd : openListeningSocket(options.address, options);
    return new Listener({
      dispatcher: this.#dispatcher,
      fd,
      inherited,
      socketFile: !inherited && 'path' in options.address ? options.address.path : '',
      blame: options.blame ?? 'downstream',
      onAccept,
      isResting: options.isResting === true,
    });
  }

  /** Takes datagrams of a UDP socket that this process has opened or inherited. */
  listenForDatagrams(fd: number, handler: DatagramHandler): DatagramListener {
    return new DatagramListener(this.#dispatcher, fd, handler);
  }

  /**
   * Begins to connect; `onConnect` or `onClose` of the handler follows in a later turn, also when
   * there is no such address (`address-invalid`). There is no time-out here: the owner arms a timer
   * and destroys the socket. Output may be written at once.
   */
  connect(options: ConnectTarget, handler: SocketHandler): StreamSocket {
    const { fd, errno, fault } = begun(options);
    const isPath = 'path' in options;
    const socket = new ReactorSocket({
      dispatcher: this.#dispatcher,
      fd,
      blame: options.blame ?? 'upstream',
      connecting: true,
      remoteAddress: isPath ? 'unix' : options.host,
      remotePort: isPath ? 0 : options.port,
      localPort: isPath ? 0 : -1,
    });
    // Connected at once (UNIX sockets): epoll reports it as writable all the same.
    if (fault === null && (errno === 0 || errno === Errno.EINPROGRESS)) {
      this.#attach(socket, handler);
      return socket;
    }
    if (isShortageErrno(errno)) this.#dispatcher.onShortage(shortageError('connect', errno));
    if (fault === null) socket.attachFailed(handler, errno);
    else socket.attachFaulty(handler, fault);
    return socket;
  }

  #attach(socket: ReactorSocket, handler: SocketHandler): void {
    try {
      socket.attach(handler);
    } catch (error) {
      if (!isOwnShortage(error)) throw error;
      socket.shed(error as SluiceError);
    }
  }

  /** Calls back whenever this process or machine has run out of something. */
  set onShortage(callback: (error: SluiceError) => void) {
    this.#dispatcher.onShortage = callback;
  }

  /** A timer that is not armed yet; it calls back once each time it has been armed. */
  timer(callback: () => void): Timer {
    return this.#dispatcher.wheel.timer(callback);
  }

  /** Runs `body` after the current batch of events, or soon when called from outside of one. */
  defer(body: () => void): void {
    this.#dispatcher.defer(body);
  }

  /** Listeners and sockets open now. */
  get openCount(): number {
    return this.#dispatcher.watchedCount;
  }

  /**
   * Closes listeners and timers, destroys sockets (whose handlers still hear `onClose(null)`), and
   * frees the native memory. Resolves when libuv has let go of it.
   */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => this.#dispatcher.close(resolve));
    return this.#closing;
  }
}

interface Begun {
  readonly fd: number;
  readonly errno: number;
  readonly fault: SluiceError | null;
}

/** What a peer has named may be no address: its owner hears of that as of any other failure. */
function begun(options: ConnectTarget): Begun {
  try {
    return { ...connectStream(options), fault: null };
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return { fd: -1, errno: 0, fault: error };
  }
}
