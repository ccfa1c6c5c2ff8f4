/** One TCP connection of the player's, and what the server sends on it. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { slowdown } from '../../base/slowdown.ts';
import { ServerRecords } from './server-records.ts';

/** Longer than a server on this machine takes for anything but hanging. */
const CONNECT_TIMEOUT_MS = 3_000;
/** For the first byte of an answer to a flight. */
const ANSWER_TIMEOUT_MS = 3_000;
/** A flight of the server's is over when nothing has come for so long, on a quiet machine. */
const QUIET_MS = 30;

export interface TimedWrite {
  readonly delayMs: number;
  readonly bytes: Uint8Array;
}

export class PlayedConnection {
  readonly records = new ServerRecords();
  /** Whoever else reads what the server sends. */
  onBytes: (bytes: Buffer) => void = () => {};
  readonly #socket: Socket;
  #isClosed = false;
  #received = 0;
  /** Resolved whenever something happens. */
  #news = Promise.withResolvers<void>();

  constructor({ host, port }: { readonly host: string; readonly port: number }) {
    this.#socket = connect({ host, port, noDelay: true });
    this.#socket.on('data', (bytes: Buffer) => {
      this.#received += bytes.length;
      this.records.take(bytes);
      this.onBytes(bytes);
      this.#tell();
    });
    // Reset or refused: the end of the connection says it all.
    this.#socket.on('error', () => {});
    this.#socket.on('end', () => this.#close());
    this.#socket.on('close', () => this.#close());
  }

  async isConnected(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#socket.once('connect', () => resolve(true));
    this.#socket.once('close', () => resolve(false));
    const timer = setTimeout(() => resolve(false), CONNECT_TIMEOUT_MS);
    const isConnected = await promise;
    clearTimeout(timer);
    return isConnected;
  }

  /** Each write by itself, at its time. False when the server has closed meanwhile. */
  async send(writes: Iterable<TimedWrite>): Promise<boolean> {
    for (const { delayMs, bytes } of writes) {
      if (delayMs > 0) await sleep(delayMs);
      if (this.#isClosed) return false;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#socket.write(bytes, () => resolve());
      await promise;
    }
    return true;
  }

  /** What comes next, until it is quiet. */
  async answer(): Promise<'answered' | 'closed' | 'silent'> {
    const before = this.#received;
    if (!(await this.#happens(ANSWER_TIMEOUT_MS))) return 'silent';
    while (!this.#isClosed && (await this.#happens(QUIET_MS * slowdown())));
    return this.#received > before ? 'answered' : 'closed';
  }

  /** FIN, and then what the server still says. */
  async end(): Promise<void> {
    if (this.#isClosed) return;
    this.#socket.end();
    while (!this.#isClosed && (await this.#happens(QUIET_MS * slowdown())));
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Whether anything has come within so many milliseconds, or the connection has ended. */
  async #happens(timeoutMs: number): Promise<boolean> {
    if (this.#isClosed) return true;
    const timer = new AbortController();
    const late = sleep(timeoutMs, false, { signal: timer.signal }).catch(() => false);
    const isNews = await Promise.race([this.#news.promise.then(() => true), late]);
    timer.abort();
    return isNews;
  }

  #close(): void {
    this.#isClosed = true;
    this.#tell();
  }

  #tell(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
  }
}
