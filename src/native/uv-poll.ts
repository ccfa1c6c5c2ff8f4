/** Watches one descriptor on Node's own event loop (uv_poll_t). */
import { assert } from '../base/assert.ts';
import { Callback } from './callbacks.ts';
import { currentEventLoop } from './load.ts';
import { addressOf, NativeBuffer } from './memory.ts';
import { uv } from './uv-table.ts';

/** `UV_POLL` in uv_handle_type (uv.h). */
const UV_POLL = 8;
const UV_READABLE = 1;

export class UvPoll {
  readonly #handle: NativeBuffer;
  readonly #onReadable: Callback;
  readonly #onClosed: Callback;
  #finishClose: () => void = () => {};
  #closing = false;

  /**
   * Calls `onReadable` in every turn of the loop in which the descriptor is readable. It runs
   * outside of Node's callback scope: no promise and no nextTick progresses after it, and it must
   * not throw. The handle does not keep the process alive until `ref`.
   */
  constructor(fd: number, onReadable: () => void) {
    this.#handle = NativeBuffer.allocate(Number(uv.checked.uv_handle_size(UV_POLL)));
    const handle = addressOf(this.#handle);
    this.#onReadable = new Callback(
      'uv-poll',
      { arguments: ['pointer', 'i32', 'i32'], return: 'void' },
      () => {
        onReadable();
        return undefined;
      },
      undefined,
    );
    this.#onClosed = new Callback(
      'uv-close',
      { arguments: ['pointer'], return: 'void' },
      () => {
        this.#finishClose();
        return undefined;
      },
      undefined,
    );
    const status = uv.checked.uv_poll_init(currentEventLoop(), handle, fd);
    assert(status === 0, `uv_poll_init takes descriptor ${fd}`);
    uv.checked.uv_poll_start(handle, UV_READABLE, this.#onReadable.pointer);
    uv.checked.uv_unref(handle);
  }

  /** Keeps the process alive. */
  ref(): void {
    if (!this.#closing) uv.checked.uv_ref(addressOf(this.#handle));
  }

  unref(): void {
    if (!this.#closing) uv.checked.uv_unref(addressOf(this.#handle));
  }

  /** Stops watching. libuv lets go of the memory a turn later: `closed` is called after that. */
  close(closed: () => void): void {
    assert(!this.#closing, 'a uv_poll handle is closed once');
    this.#closing = true;
    const handle = addressOf(this.#handle);
    // A callback must not be unregistered while it runs, so the rest waits for another turn.
    this.#finishClose = () =>
      setImmediate(() => {
        this.#onReadable[Symbol.dispose]();
        this.#onClosed[Symbol.dispose]();
        this.#handle[Symbol.dispose]();
        closed();
      });
    uv.checked.uv_poll_stop(handle);
    uv.checked.uv_close(handle, this.#onClosed.pointer);
  }
}
