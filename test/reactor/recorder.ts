/** A socket handler that writes down what it is told, for tests. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { SluiceError } from '../../src/base/errors.ts';
import type { NativeBuffer } from '../../src/native/memory.ts';
import type { SocketHandler, StreamSocket } from '../../src/reactor/contract.ts';

const WAIT_MS_MAX = 30_000;

export class Recorder implements SocketHandler {
  /** `connect`, `data`, `end`, `drain`, `close` or `close CODE`, repeated data once. */
  readonly events: string[] = [];
  readonly #chunks: Buffer[] = [];
  bytes = 0;
  error: SluiceError | null = null;
  /** Set before use for sockets whose calls are answered. */
  socket!: StreamSocket;
  keepsContent = true;
  whenConnected: () => void = () => {};
  whenData: (buffer: NativeBuffer, length: number) => void = () => {};
  whenEnded: () => void = () => {};
  whenDrained: () => void = () => {};
  #waiters: (() => void)[] = [];

  get content(): string {
    return Buffer.concat(this.#chunks).toString('latin1');
  }

  #note(event: string): void {
    if (event !== 'data' || this.events.at(-1) !== 'data') this.events.push(event);
    for (const waiter of this.#waiters.splice(0)) waiter();
  }

  onConnect(): void {
    this.whenConnected();
    this.#note('connect');
  }

  onData(buffer: NativeBuffer, length: number): void {
    this.bytes += length;
    if (this.keepsContent) this.#chunks.push(Buffer.from(buffer.bytes.subarray(0, length)));
    this.whenData(buffer, length);
    this.#note('data');
  }

  onEnd(): void {
    this.whenEnded();
    this.#note('end');
  }

  onDrain(): void {
    this.whenDrained();
    this.#note('drain');
  }

  onClose(error: SluiceError | null): void {
    this.error = error;
    this.#note(error === null ? 'close' : `close ${error.code}`);
  }

  get isClosed(): boolean {
    return this.events.at(-1)?.startsWith('close') ?? false;
  }

  /** Resolves when `condition` holds after some event; rejects with what happened after 10 s. */
  async until(condition: () => boolean): Promise<void> {
    const deadlineMs = performance.now() + WAIT_MS_MAX;
    while (!condition()) {
      await new Promise<void>((resolve, reject) => {
        const late = () => reject(new Error(`waited in vain; events: ${this.events.join(', ')}`));
        const timer = setTimeout(late, Math.max(1, deadlineMs - performance.now()));
        this.#waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  async closed(): Promise<void> {
    await this.until(() => this.isClosed);
  }

  async saw(event: string): Promise<void> {
    await this.until(() => this.events.includes(event));
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Calls `condition` until it holds; rejects after 10 s. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const deadlineMs = performance.now() + WAIT_MS_MAX;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`did not happen: ${what}`);
    await sleep(2);
  }
}

/** A node:net server on a free port, as a peer that is not our own code. */
export async function nodeServer(
  onSocket: (socket: Socket) => void,
): Promise<{ port: number; close: () => void }> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as { port: number };
  const close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { port: address.port, close };
}
