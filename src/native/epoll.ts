/** An epoll instance (epoll(7)) whose events name a slot and the generation of its user. */
import { assert } from '../base/assert.ts';
import { counted } from './counters.ts';
import { callError, Errno, lastErrno } from './errno.ts';
import { libc } from './libc-table.ts';
import { addressOf, NativeBuffer } from './memory.ts';
import { closeDescriptor } from './sockets.ts';

export const EPOLLIN = 0x001;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLRDHUP = 0x2000;
/** As a signed 32-bit number, like every events word here. */
export const EPOLLET = 1 << 31;

const EPOLL_CLOEXEC = 0x8_0000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;

/**
 * `struct epoll_event` is packed to 12 bytes on x86-64 and takes 16 elsewhere (eventpoll.h); in
 * 32-bit words: events, (padding), the two halves of data.
 */
const WORDS_PER_EVENT = process.arch === 'x64' ? 3 : 4;
const DATA_WORD = WORDS_PER_EVENT - 2;

const { epoll_wait } = libc.direct;

export class Epoll implements Disposable {
  readonly fd: number;
  readonly #eventsMax: number;
  readonly #memory: NativeBuffer;
  readonly #address: bigint;
  readonly #words: Int32Array;
  readonly #control: NativeBuffer;

  constructor(eventsMax: number) {
    this.fd = libc.checked.epoll_create1(EPOLL_CLOEXEC);
    if (this.fd < 0) throw callError('epoll_create1', lastErrno());
    counted('fd', 1);
    this.#eventsMax = eventsMax;
    this.#memory = NativeBuffer.allocate(eventsMax * WORDS_PER_EVENT * 4);
    this.#address = addressOf(this.#memory);
    this.#words = new Int32Array(this.#memory.bytes.buffer);
    this.#control = NativeBuffer.allocate(WORDS_PER_EVENT * 4);
  }

  /** Takes the events that are ready now, without waiting; returns how many. */
  poll(): number {
    const count = epoll_wait(this.fd, this.#address, this.#eventsMax, 0);
    if (count >= 0) return count;
    assert(lastErrno() === Errno.EINTR, 'the epoll descriptor is open');
    return 0;
  }

  eventsAt(index: number): number {
    return this.#words[index * WORDS_PER_EVENT]!;
  }

  slotAt(index: number): number {
    return this.#words[index * WORDS_PER_EVENT + DATA_WORD]!;
  }

  generationAt(index: number): number {
    return this.#words[index * WORDS_PER_EVENT + DATA_WORD + 1]!;
  }

  add(fd: number, events: number, slot: number, generation: number): void {
    this.#operate(EPOLL_CTL_ADD, fd, events, slot, generation);
  }

  modify(fd: number, events: number, slot: number, generation: number): void {
    this.#operate(EPOLL_CTL_MOD, fd, events, slot, generation);
  }

  /** Needed only for a descriptor that another process holds too: closing it is not enough then. */
  remove(fd: number): void {
    this.#operate(EPOLL_CTL_DEL, fd, 0, 0, 0);
  }

  #operate(operation: number, fd: number, events: number, slot: number, generation: number): void {
    const { bytes } = this.#control;
    bytes.writeInt32LE(events, 0);
    bytes.writeInt32LE(slot, DATA_WORD * 4);
    bytes.writeInt32LE(generation, DATA_WORD * 4 + 4);
    const status = libc.direct.epoll_ctl(this.fd, operation, fd, addressOf(this.#control));
    if (status !== 0) throw callError('epoll_ctl', lastErrno());
  }

  [Symbol.dispose](): void {
    closeDescriptor(this.fd);
    this.#memory[Symbol.dispose]();
    this.#control[Symbol.dispose]();
  }
}
