/** Plays a script against a server, as a client of ours that trusts anybody: a tool for a desk. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Player } from '../bench.ts';
import type { OctetsFlight, PlayedOutcome, ReplayScript } from './script.ts';
import { ServerRecords } from './server-records.ts';

/** Longer than a server on this machine takes for anything but hanging. */
const CONNECT_TIMEOUT_MS = 3_000;
/** For the first octet of an answer to a flight. */
const ANSWER_TIMEOUT_MS = 3_000;
/** A flight of the server's is over when nothing has come for so long. */
const QUIET_MS = 30;

export const playScript: Player = async (script, target, signal) => {
  signal.throwIfAborted();
  const startedAtMs = performance.now();
  const connection = new PlayedConnection(target);
  const abort = () => connection.destroy();
  signal.addEventListener('abort', abort, { once: true });
  try {
    const outcome = await playOn(connection, script);
    signal.throwIfAborted();
    return { ...outcome, durationMs: Math.round(performance.now() - startedAtMs) };
  } finally {
    signal.removeEventListener('abort', abort);
    connection.destroy();
  }
};

async function playOn(
  connection: PlayedConnection,
  script: ReplayScript,
): Promise<Omit<PlayedOutcome, 'durationMs'>> {
  let flightsSent = 0;
  const outcome = (result: PlayedOutcome['result']) => {
    const { alert, received } = connection.records;
    return { result: alert === '' ? result : 'alert', alert, flightsSent, received } as const;
  };
  if (!(await connection.isConnected())) return outcome('refused');
  for (const flight of script.flights) {
    if (flight.kind !== 'octets') throw new Error(`no player for ${flight.kind}`);
    const isLast = flightsSent === script.flights.length - 1;
    if (!(await connection.send(flight))) return outcome('closed');
    flightsSent++;
    if (isLast && script.end !== 'wait') break;
    const answer = await connection.answer();
    if (answer === 'closed') return outcome('closed');
    if (answer === 'silent') return outcome('silent');
  }
  if (script.end === 'reset') connection.reset();
  else await connection.end();
  return outcome(connection.records.received.length === 0 ? 'closed' : 'answered');
}

/** One TCP connection, and what the server sends on it. */
class PlayedConnection {
  readonly records = new ServerRecords();
  readonly #socket: Socket;
  #isClosed = false;
  #received = 0;
  /** Resolved whenever something happens. */
  #news = Promise.withResolvers<void>();

  constructor({ host, port }: { readonly host: string; readonly port: number }) {
    this.#socket = connect({ host, port, noDelay: true });
    this.#socket.on('data', (octets: Buffer) => {
      this.#received += octets.length;
      this.records.take(octets);
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
  async send({ writes }: OctetsFlight): Promise<boolean> {
    for (const { delayMs, bytes } of writes) {
      if (delayMs > 0) await sleep(delayMs);
      if (this.#isClosed) return false;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#socket.write(Buffer.from(bytes, 'base64'), () => resolve());
      await promise;
    }
    return true;
  }

  /** What comes next, until it is quiet. */
  async answer(): Promise<'answered' | 'closed' | 'silent'> {
    const before = this.#received;
    if (!(await this.#happens(ANSWER_TIMEOUT_MS))) return 'silent';
    while (!this.#isClosed && (await this.#happens(QUIET_MS)));
    return this.#received > before ? 'answered' : 'closed';
  }

  /** FIN, and then what the server still says. */
  async end(): Promise<void> {
    if (this.#isClosed) return;
    this.#socket.end();
    while (!this.#isClosed && (await this.#happens(QUIET_MS)));
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
