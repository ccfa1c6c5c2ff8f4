/** TLS connections in memory: two engines, or one engine and a recorded flight, and no socket. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../src/base/clock.ts';
import type { SluiceError } from '../../src/base/errors.ts';
import { liveNativeCounts } from '../../src/native/counters.ts';
import { NativeBuffer } from '../../src/native/memory.ts';
import type { SslSession } from '../../src/native/ssl-session.ts';
import {
  type ClientConnectionOptions,
  type ClientContext,
  type ClientContextOptions,
  createClientContext,
} from '../../src/tls/client-context.ts';
import type { TlsEngine } from '../../src/tls/connection.ts';
import type { HandshakeRecord, TlsConnection, TlsHandler } from '../../src/tls/contract.ts';
import { makeSelfSignedCertificate } from '../../src/tls/self-signed.ts';
import {
  createServerContext,
  type ServerContext,
  type ServerContextOptions,
} from '../../src/tls/server-context.ts';
import type { TraceWatch } from '../../src/tls/trace-recorder.ts';

export const certificate = makeSelfSignedCertificate({
  names: ['localhost', '127.0.0.1', '::1'],
  nowMs: Date.now(),
});

/** The same for every context, so that what one began another resumes. */
const ticketKeys = [randomBytes(80)];

/** Advances by a millisecond with every look, so that no duration is 0. */
export function steppingClock(): Clock {
  let now = 1_700_000_000_000;
  return { wallMs: () => now++, monotonicMs: () => now++ };
}

export const clock = steppingClock();

export function serverContext(options: Partial<ServerContextOptions> = {}): ServerContext {
  return createServerContext({
    ...certificate,
    alpn: ['http/1.1'],
    earlyData: { enabled: true },
    ticketKeys,
    ...options,
  });
}

/** Certificates are not verified unless asked for: most tests are about something else. */
export function clientContext(options: ClientContextOptions = {}): ClientContext {
  return createClientContext({ verify: false, alpn: ['http/1.1'], ...options });
}

const scratch = NativeBuffer.allocate(1 << 22);

/** What one side has seen, in order. */
export class Side implements TlsHandler {
  connection!: TlsConnection;
  readonly records: HandshakeRecord[] = [];
  readonly errors: SluiceError[] = [];
  /** `early:text`, `late:text`, `handshake`, `end`, `error:code`. */
  readonly events: string[] = [];
  received = '';
  hasEnded = false;
  /** Called with every piece of plaintext. */
  answer: (text: string, early: boolean) => void = () => {};

  onPlaintext(bytes: Uint8Array, early: boolean): void {
    const text = Buffer.from(bytes).toString('latin1');
    this.received += text;
    this.events.push(`${early ? 'early' : 'late'}:${text}`);
    this.answer(text, early);
  }

  onHandshakeEnd(record: HandshakeRecord): void {
    this.records.push(record);
    this.events.push('handshake');
  }

  onResumed(): void {
    this.events.push('resumed');
  }

  onEnd(): void {
    this.hasEnded = true;
    this.events.push('end');
  }

  onError(error: SluiceError): void {
    this.errors.push(error);
    this.events.push(`error:${error.code}`);
  }

  /** The one record that there must be. */
  get record(): HandshakeRecord {
    if (this.records.length !== 1) throw new Error(`${this.records.length} records instead of 1`);
    return this.records[0]!;
  }

  send(text: string): void {
    this.connection.write(Buffer.from(text, 'latin1'));
  }

  /** Everything that waits to go out. */
  takeFlight(): Buffer {
    const pieces: Buffer[] = [];
    for (;;) {
      const count = this.connection.takeOutput(scratch);
      if (count === 0) return Buffer.concat(pieces);
      pieces.push(Buffer.from(scratch.bytes.subarray(0, count)));
    }
  }

  receive(flight: Uint8Array): void {
    if (flight.length === 0) return;
    // A fresh place for each call, so that nothing is read after it has been overwritten.
    scratch.bytes.set(flight);
    this.connection.receive(scratch, flight.length);
    scratch.bytes.fill(0xee, 0, flight.length);
  }
}

export function accept(context: ServerContext, watch: TraceWatch | null = null): Side {
  const side = new Side();
  side.connection = context.accept(side, clock, watch);
  return side;
}

export function connect(
  context: ClientContext,
  options: Partial<ClientConnectionOptions> = {},
): Side {
  const side = new Side();
  side.connection = context.connect({ serverName: 'localhost', ...options }, side, clock);
  return side;
}

/** A client and a server joined by a wire. */
export class Pair implements Disposable {
  readonly client: Side;
  readonly server: Side;

  constructor(
    server: ServerContext,
    client: ClientContext,
    options?: Partial<ClientConnectionOptions>,
    watch: TraceWatch | null = null,
  ) {
    this.server = accept(server, watch);
    this.client = connect(client, options);
  }

  /** Moves one flight; returns its bytes. */
  toServer(): number {
    const flight = this.client.takeFlight();
    this.server.receive(flight);
    return flight.length;
  }

  toClient(): number {
    const flight = this.server.takeFlight();
    this.client.receive(flight);
    return flight.length;
  }

  /** Moves flights until both sides are silent. */
  settle(): this {
    for (let round = 0; round < 20; round++) {
      if (this.toServer() + this.toClient() === 0) return this;
    }
    throw new Error('the two sides do not fall silent');
  }

  takeSession(): SslSession {
    const session = (this.client.connection as TlsEngine).takeSession();
    if (session === null) throw new Error('the client holds no session');
    return session;
  }

  [Symbol.dispose](): void {
    this.client.connection[Symbol.dispose]();
    this.server.connection[Symbol.dispose]();
  }
}

/** A session of a fresh full handshake between the two contexts. */
export function obtainSession(server: ServerContext, client: ClientContext): SslSession {
  using pair = new Pair(server, client).settle();
  return pair.takeSession();
}

/** Live native things but memory mappings, which pools may keep. */
export function liveHandles(): Record<string, number> {
  const { mapping: _mapping, ...handles } = liveNativeCounts();
  return Object.fromEntries(Object.entries(handles).filter(([, count]) => count !== 0));
}
