/**
 * For soak.test.ts, run with --expose-gc: echoes messages over TCP while memory is collected by
 * force, and prints what was wrong with them and what is still alive at the end as JSON.
 */
import { createHash } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { liveNativeCounts } from '../../src/native/counters.ts';
import { nativeBytesLive } from '../../src/native/memory.ts';
import type { SocketHandler, StreamSocket } from '../../src/reactor/contract.ts';
import { Reactor } from '../../src/reactor/reactor.ts';

const MESSAGES = Number(process.argv[2]);
const CONNECTIONS = 20;
const MESSAGES_PER_CONNECTION = 50;
const GC_EVERY = 97;

declare const gc: () => void;

const bytesBefore = nativeBytesLive();
const countsBefore = liveNativeCounts();
const delay = monitorEventLoopDelay({ resolution: 5 });
const reactor = new Reactor();
let started = 0;
let answered = 0;
let corrupted = 0;

const listener = reactor.listen({ address: { host: '127.0.0.1', port: 0 } }, (socket) => ({
  onConnect() {},
  onData: (buffer, length) => void socket.write(Buffer.from(buffer.bytes.subarray(0, length))),
  onEnd: () => socket.shutdownWrite(),
  onDrain() {},
  onClose() {},
}));

/** Sends one message after another, each of its own length and content, and compares the echoes. */
class Client implements SocketHandler {
  readonly #socket: StreamSocket;
  #left = MESSAGES_PER_CONNECTION;
  #sent = '';
  #received = createHash('sha1');
  #awaited = 0;

  constructor(port: number) {
    this.#socket = reactor.connect({ host: '127.0.0.1', port }, this);
  }

  #send(): void {
    const length = 1 + ((started++ * 7_919) % (started % 10 === 0 ? 150_000 : 3_000));
    const message = Buffer.alloc(length, `${started}.`);
    this.#sent = createHash('sha1').update(message).digest('hex');
    this.#received = createHash('sha1');
    this.#awaited = length;
    this.#socket.write(message);
    if (started % GC_EVERY === 0) gc();
  }

  onConnect(): void {
    this.#send();
  }

  onData(buffer: { bytes: Buffer }, length: number): void {
    this.#received.update(buffer.bytes.subarray(0, length));
    this.#awaited -= length;
    if (this.#awaited > 0) return;
    answered++;
    if (this.#received.digest('hex') !== this.#sent) corrupted++;
    if (--this.#left > 0) this.#send();
    else this.#socket.shutdownWrite();
  }

  onEnd(): void {}
  onDrain(): void {}

  onClose(): void {
    if (answered + CONNECTIONS * MESSAGES_PER_CONNECTION <= MESSAGES) new Client(listener.port);
    else if (reactor.openCount === 1) finish();
  }
}

function finish(): void {
  delay.disable();
  void reactor.close().then(() => {
    const counts = liveNativeCounts();
    const leaked = Object.keys(counts).filter((kind) => counts[kind] !== (countsBefore[kind] ?? 0));
    const bytesLeaked = nativeBytesLive() - bytesBefore;
    const delayMs = delay.percentile(99) / 1e6;
    console.log(JSON.stringify({ answered, corrupted, leaked, bytesLeaked, delayMs }));
  });
}

delay.enable();
for (let count = 0; count < CONNECTIONS; count++) new Client(listener.port);
