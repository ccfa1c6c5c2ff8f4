/** TLS handshakes of QUIC in memory: two engines, and what CRYPTO frames would carry between them. */
import { randomBytes } from 'node:crypto';
import { SslContext } from '../../src/native/ssl-context.ts';
import type { SslSession } from '../../src/native/ssl-session.ts';
import type {
  EncryptionLevel,
  QuicHandshakeFacts,
  QuicTlsHandler,
  TrafficSecret,
} from '../../src/quic/contracts.ts';
import type { HandshakeRecord } from '../../src/tls/contract.ts';
import { type HostTlsOptions, plainHost } from '../../src/tls/host-options.ts';
import {
  createQuicServerContext,
  type QuicServerContext,
  type QuicServerOptions,
} from '../../src/tls/quic-context.ts';
import { QuicTlsEngine } from '../../src/tls/quic-engine.ts';
import type { TraceWatch } from '../../src/tls/trace-recorder.ts';
import { certificate, clock } from './wire.ts';

/** The same for every context, so that what one began another resumes. */
const ticketKeys = [randomBytes(80)];

export const LEVELS = ['initial', 'early', 'handshake', 'application'] as const;

export function quicHost(options: Partial<HostTlsOptions> = {}): HostTlsOptions {
  return { ...plainHost, certificates: [certificate], ...options };
}

export function quicServer(
  options: Partial<QuicServerOptions> = {},
  hosts: readonly HostTlsOptions[] = [quicHost()],
): QuicServerContext {
  return createQuicServerContext(
    { alpn: ['h3'], ticketKeys, rememberedLimits: 'limits', ...options },
    hosts,
  );
}

export function quicClient(
  options: { groups?: string; alpn?: readonly string[]; suites?: string } = {},
): SslContext {
  const context = new SslContext('client');
  context.setVersions('TLSv1.3', 'TLSv1.3');
  if (options.groups !== undefined) context.setGroups(options.groups);
  if (options.suites !== undefined) context.setCipherSuites(options.suites);
  context.offerAlpn(options.alpn ?? ['h3']);
  return context;
}

/** What one side was told, in order. */
export class QuicSide implements QuicTlsHandler {
  engine!: QuicTlsEngine;
  readonly records: HandshakeRecord[] = [];
  /** `secret early read`, `bytes initial`, `parameters text`, `complete`, `alert 40`, … */
  readonly events: string[] = [];
  readonly secrets = new Map<string, string>();
  readonly out: { level: EncryptionLevel; bytes: Buffer }[] = [];
  facts: QuicHandshakeFacts | null = null;
  alert = -1;
  /** Called before each event is noted. */
  onEvent: (event: string) => void = () => {};

  #note(event: string): void {
    this.onEvent(event);
    this.events.push(event);
  }

  onHandshakeEnd(record: HandshakeRecord): void {
    this.records.push(record);
    this.#note('record');
  }

  onHandshakeBytes(level: EncryptionLevel, bytes: Uint8Array): void {
    this.out.push({ level, bytes: Buffer.from(bytes) });
    this.#note(`bytes ${LEVELS[level]}`);
  }

  onSecret({ level, direction, suite, bytes }: TrafficSecret): void {
    const name = `${LEVELS[level]} ${direction}`;
    this.secrets.set(name, `${suite.toString(16)} ${Buffer.from(bytes).toString('hex')}`);
    this.#note(`secret ${name}`);
  }

  onTransportParameters(bytes: Uint8Array): void {
    this.#note(`parameters ${Buffer.from(bytes).toString('latin1')}`);
  }

  onEarlyDataRefused(): void {
    this.#note('early data refused');
  }

  onHandshakeComplete(facts: QuicHandshakeFacts): void {
    this.facts = facts;
    this.#note('complete');
  }

  onAlert(alert: number, reason: string): void {
    if (reason === '') throw new Error('an alert has a reason');
    this.alert = alert;
    this.#note(`alert ${alert}`);
  }

  onWork(): void {
    this.#note('work');
  }

  get record(): HandshakeRecord {
    if (this.records.length !== 1) throw new Error(`${this.records.length} records instead of 1`);
    return this.records[0]!;
  }

  receive(level: EncryptionLevel, bytes: Uint8Array): void {
    const lent = Buffer.from(bytes);
    this.engine.receive(level, lent);
    lent.fill(0xee);
  }
}

export interface QuicPairOptions {
  readonly session?: SslSession | undefined;
  readonly serverName?: string;
  readonly watch?: TraceWatch;
  /** Largest piece that one side gets at once. */
  readonly pieceBytes?: number;
}

/** A client and a server, and between them what is sent reliably and in order. */
export class QuicPair implements Disposable {
  readonly client = new QuicSide();
  readonly server = new QuicSide();
  readonly #pieceBytes: number;

  constructor(server: QuicServerContext, client: SslContext, options: QuicPairOptions = {}) {
    const { session, serverName = 'localhost', watch = null } = options;
    this.#pieceBytes = options.pieceBytes ?? 60_000;
    this.server.engine = server.accept(this.server, clock, watch);
    this.server.engine.start(this.server, Buffer.from('of the server'));
    this.client.engine = new QuicTlsEngine({
      context: client,
      owner: this.client,
      clock,
      acceptance: null,
      prepare: (ssl) => {
        if (serverName !== '') ssl.setServerName(serverName);
      },
      ...(session === undefined ? {} : { session }),
    });
    this.client.engine.start(this.client, Buffer.from('of the client'));
  }

  toServer(): number {
    return this.#move(this.client, this.server);
  }

  toClient(): number {
    return this.#move(this.server, this.client);
  }

  /** Until both are silent. */
  settle(): this {
    for (let round = 0; round < 20; round++) {
      if (this.toServer() + this.toClient() === 0) return this;
    }
    throw new Error('the two sides do not fall silent');
  }

  takeSession(): SslSession {
    const session = this.client.engine.takeSession();
    if (session === null) throw new Error('the client holds no session');
    return session;
  }

  #move(from: QuicSide, to: QuicSide): number {
    let count = 0;
    for (const { level, bytes } of from.out.splice(0)) {
      for (let at = 0; at < bytes.length; at += this.#pieceBytes) {
        to.receive(level, bytes.subarray(at, at + this.#pieceBytes));
      }
      count += bytes.length;
    }
    return count;
  }

  [Symbol.dispose](): void {
    this.client.engine.free();
    this.server.engine.free();
  }
}

export function obtainQuicSession(server: QuicServerContext, client: SslContext): SslSession {
  using pair = new QuicPair(server, client).settle();
  return pair.takeSession();
}
