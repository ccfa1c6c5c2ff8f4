/** Takes connections from a listening socket, a bounded number per turn. */
import type { Blame, SluiceError } from '../base/errors.ts';
import { isOwnShortage } from '../base/shortage.ts';
import { EPOLLIN } from '../native/epoll.ts';
import { Errno, isShortageErrno, shortageError } from '../native/errno.ts';
import {
  accept,
  acceptedAddress,
  adoptDescriptor,
  closeDescriptor,
  LISTEN_BACKLOG_DEFAULT,
  localAddress,
  removeSocketFile,
} from '../native/sockets.ts';
import type { SocketHandler, StreamSocket } from './contract.ts';
import type { Dispatcher, WatchedDescriptor } from './dispatcher.ts';
import { ACCEPT_PAUSE_MS, ACCEPTS_PER_TURN_MAX } from './limits.ts';
import { ReactorSocket } from './socket.ts';
import type { Timer } from './timer-wheel.ts';

/**
 * Decides about a connection: its handler, or null to close it at once. Called from the dispatcher;
 * the handler's own calls begin afterwards.
 */
export type OnAccept = (socket: StreamSocket) => SocketHandler | null;

/** What a listener has done since it was opened. */
export interface ListenerCounts {
  readonly accepted: number;
  /** `onAccept` returned null. */
  readonly refused: number;
  /** Connections that were gone, or broken, before we took them. */
  readonly failed: number;
  /** Times that accepting waited because process or machine was out of descriptors or memory. */
  readonly pauses: number;
}

export interface ListenerInput {
  readonly dispatcher: Dispatcher;
  readonly fd: number;
  /** Whether the descriptor came from the parent process. */
  readonly inherited: boolean;
  /** The socket file that close removes, or ''. */
  readonly socketFile: string;
  readonly blame: Blame;
  readonly onAccept: OnAccept;
  /** Whether it takes nothing until it is told to: see `replaceResting`. */
  readonly isResting: boolean;
}

export class Listener implements WatchedDescriptor {
  readonly generation: number;
  /** 0 for a UNIX socket. */
  readonly port: number;
  /** `0.0.0.0`, `::` …, or `unix`. */
  readonly address: string;
  readonly #slot: number;
  readonly #input: ListenerInput;
  readonly #pauseTimer: Timer;
  #closed = false;
  #isResting: boolean;
  #isPaused = false;
  #accepted = 0;
  #refused = 0;
  #failed = 0;
  #pauses = 0;

  constructor(input: ListenerInput) {
    const { dispatcher, fd } = input;
    if (input.inherited) adoptDescriptor(fd);
    const local = localAddress(fd);
    this.port = local.port;
    this.address = local.text;
    this.#input = input;
    this.#isResting = input.isResting;
    this.#pauseTimer = dispatcher.wheel.timer(() => this.#resume());
    const { slot, generation } = dispatcher.takeSlot();
    this.#slot = slot;
    this.generation = generation;
    dispatcher.fillSlot(slot, this);
    // Level-triggered: what a turn leaves in the backlog is reported again.
    dispatcher.epoll.add(fd, this.#wantedEvents, slot, generation);
  }

  get counts(): ListenerCounts {
    return {
      accepted: this.#accepted,
      refused: this.#refused,
      failed: this.#failed,
      pauses: this.#pauses,
    };
  }

  get #wantedEvents(): number {
    return this.#isResting || this.#isPaused ? 0 : EPOLLIN;
  }

  /**
   * A socket that another process takes connections from as well: while it rests, they are left to
   * that one.
   */
  replaceResting(isResting: boolean): void {
    if (this.#closed || isResting === this.#isResting) return;
    this.#isResting = isResting;
    this.#modify();
  }

  #modify(): void {
    const { dispatcher, fd } = this.#input;
    dispatcher.epoll.modify(fd, this.#wantedEvents, this.#slot, this.generation);
  }

  /** Accepts no more. Accepted sockets live on; so does the socket itself in other processes. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pauseTimer.cancel();
    const { dispatcher, fd, socketFile } = this.#input;
    // Another process may hold the same socket, which then stays registered after our close.
    dispatcher.epoll.remove(fd);
    closeDescriptor(fd);
    dispatcher.releaseSlot(this.#slot);
    if (socketFile !== '') removeSocketFile(socketFile);
  }

  destroy(): void {
    this.close();
  }

  onTurn(): void {}

  /**
   * Takes every connection that waits now. For an owner that is about to close the last holder of
   * the socket: the kernel resets what nobody has accepted.
   */
  acceptWaiting(): void {
    this.#acceptMany(LISTEN_BACKLOG_DEFAULT);
  }

  onEvents(): void {
    this.#acceptMany(ACCEPTS_PER_TURN_MAX);
  }

  #acceptMany(countMax: number): void {
    for (let count = 0; count < countMax && !this.#closed; count++) {
      const fd = accept(this.#input.fd);
      if (fd >= 0) this.#take(fd);
      else if (fd === -Errno.EAGAIN) return;
      else if (isShortageErrno(-fd)) {
        this.shed(shortageError('accept', -fd));
        return;
      } else {
        // Errors of the waiting connection are reported here (accept(2)): on to the next.
        this.#failed++;
      }
    }
  }

  #take(fd: number): void {
    this.#accepted++;
    const remote = acceptedAddress();
    const socket = new ReactorSocket({
      dispatcher: this.#input.dispatcher,
      fd,
      blame: this.#input.blame,
      connecting: false,
      remoteAddress: remote,
      remotePort: remote.port,
      localPort: this.port,
    });
    if (this.#isTaken(socket)) return;
    this.#refused++;
    socket.destroy();
  }

  #isTaken(socket: ReactorSocket): boolean {
    try {
      const handler = this.#input.onAccept(socket);
      if (handler !== null) socket.attach(handler);
      return handler !== null;
    } catch (error) {
      if (!isOwnShortage(error)) throw error;
      this.shed(error as SluiceError);
      return false;
    }
  }

  /**
   * Out of descriptors or memory. The connections wait in the kernel's queue until some of ours
   * have closed; without a pause the level-triggered event would spin.
   */
  shed(error: SluiceError): void {
    const { dispatcher } = this.#input;
    dispatcher.onShortage(error);
    if (this.#closed) return;
    this.#pauses++;
    this.#isPaused = true;
    this.#modify();
    this.#pauseTimer.arm(ACCEPT_PAUSE_MS);
  }

  #resume(): void {
    this.#isPaused = false;
    this.#modify();
  }
}
