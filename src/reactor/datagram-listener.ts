/** Takes datagrams from a UDP socket, a bounded number per turn, and says when it can send again. */
import {
  DatagramSocket,
  type IncomingDatagram,
  MESSAGES_PER_CALL,
  type OutgoingDatagrams,
} from '../native/datagrams/datagram-socket.ts';
import { EPOLLIN, EPOLLOUT } from '../native/epoll.ts';
import type { Dispatcher, WatchedDescriptor } from './dispatcher.ts';
import { RECEIVES_PER_TURN_MAX } from './limits.ts';

/** What a UDP socket tells its owner. */
export interface DatagramHandler {
  /** Valid until the return. */
  onDatagram(datagram: IncomingDatagram): void;
  /** A batch of datagrams has been told, or there was none: what they ask for may be sent now. */
  onBatchEnd(): void;
  /** After `send` has said `blocked`. */
  onWritable(): void;
}

export class DatagramListener implements WatchedDescriptor {
  readonly generation: number;
  readonly #dispatcher: Dispatcher;
  readonly #socket: DatagramSocket;
  readonly #handler: DatagramHandler;
  readonly #slot: number;
  #isBlocked = false;
  #isClosed = false;

  /** Takes the descriptor over: one that this process has opened, or inherited. */
  constructor(dispatcher: Dispatcher, fd: number, handler: DatagramHandler) {
    this.#dispatcher = dispatcher;
    this.#socket = new DatagramSocket(fd);
    this.#handler = handler;
    const { slot, generation } = dispatcher.takeSlot();
    this.#slot = slot;
    this.generation = generation;
    dispatcher.fillSlot(slot, this);
    // Level-triggered: what a turn leaves in the socket is reported again.
    dispatcher.epoll.add(fd, this.#wantedEvents, slot, generation);
  }

  get port(): number {
    return this.#socket.port;
  }

  get #wantedEvents(): number {
    return this.#isBlocked ? EPOLLIN | EPOLLOUT : EPOLLIN;
  }

  send(batch: OutgoingDatagrams): ReturnType<DatagramSocket['send']> {
    if (this.#isClosed) return 'failed';
    const outcome = this.#socket.send(batch);
    if (outcome === 'blocked' && !this.#isBlocked) {
      this.#isBlocked = true;
      this.#modify();
    }
    return outcome;
  }

  onEvents(events: number): void {
    if ((events & EPOLLOUT) !== 0 && this.#isBlocked) {
      this.#isBlocked = false;
      this.#modify();
      this.#handler.onWritable();
    }
    this.receiveWaiting();
  }

  /** Takes what has come, as much as a turn may. */
  receiveWaiting(): void {
    for (let i = 0; i < RECEIVES_PER_TURN_MAX && !this.#isClosed; i++) {
      const count = this.#socket.receive((datagram) => this.#handler.onDatagram(datagram));
      if (count < MESSAGES_PER_CALL) break;
    }
    if (!this.#isClosed) this.#handler.onBatchEnd();
  }

  onTurn(): void {}

  /** What came is lost, as on the way here; its sender sends it again. */
  shed(): void {}

  destroy(): void {
    this.close();
  }

  /** Receives no more; so does the socket in other processes, which goes on there. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#dispatcher.epoll.remove(this.#socket.fd);
    this.#socket[Symbol.dispose]();
    this.#dispatcher.releaseSlot(this.#slot);
  }

  #modify(): void {
    this.#dispatcher.epoll.modify(this.#socket.fd, this.#wantedEvents, this.#slot, this.generation);
  }
}
