/**
 * A TLS 1.3 client that keeps to no rule it is not asked to keep: first flights with early data, cut,
 * repeated and put together as a test wants them. Its keys are those of the desk's scripted client.
 */
import { connect, type Socket } from 'node:net';
import { ExtensionType } from '../../src/tls/client-hello.ts';
import { type HelloModel, readHello } from '../../src/triage/reduce/hello-model.ts';
import { hashBytes, KeySchedule } from '../../src/triage/replay/client/key-schedule.ts';
import { messageOf, recordsOf, type Ticket } from '../../src/triage/replay/client/own-hello.ts';
import {
  cipherSuites,
  RecordProtection,
} from '../../src/triage/replay/client/record-protection.ts';
import { ScriptedClient } from '../../src/triage/replay/client/scripted-client.ts';
import { extension, helloMessage, inRecords, vector } from './client-hello.ts';
import { until, within } from './waiting.ts';

const X25519 = 29;
const TLS13 = 0x0304;
const PSK_KEY_EXCHANGE_MODES = 45;
const PSK_DHE_KE = 1;
export const ContentType = { handshake: 22, applicationData: 23 } as const;

export interface HelloSettings {
  /** '' for none. */
  readonly serverName?: string;
  /** None: the extension is left out. */
  readonly alpn?: readonly string[];
  readonly groups?: readonly number[];
  /** Of which of the groups a share is sent. */
  readonly shares?: readonly number[];
  readonly suite?: number;
  /** Announces early data, whether there is any or not. */
  readonly announces?: boolean;
}

export function helloOf(settings: HelloSettings = {}): HelloModel {
  const {
    serverName = 'localhost',
    alpn = ['http/1.1'],
    groups = [X25519],
    suite = 0x1301,
  } = settings;
  const { shares = groups.slice(0, 1), announces = false } = settings;
  const message = helloMessage({
    cipherSuites: [suite],
    extensions: [
      ...(serverName === '' ? [] : [extension.serverName(serverName)]),
      extension.versions(TLS13),
      extension.groups(...groups),
      extension.schemes(0x0403, 0x0804),
      extension.keyShares(...shares),
      ...(alpn.length === 0 ? [] : [extension.alpn(...alpn)]),
      [PSK_KEY_EXCHANGE_MODES, vector(1, Buffer.of(PSK_DHE_KE))],
      ...(announces ? [extension.empty(ExtensionType.earlyData)] : []),
    ],
  });
  return readHello(inRecords(message))!;
}

/** One connection, driven by hand. What the server sends is read as it comes. */
export class EarlyClient implements Disposable {
  readonly tls: ScriptedClient;
  readonly #ticket: Ticket | null;
  readonly #socket: Socket;
  readonly #opened = Promise.withResolvers<void>();
  #early: RecordProtection | null = null;
  #isClosed = false;
  /** A second ClientHello, as soon as the server asks for it, goes out by itself. */
  #isRetried = false;

  constructor(
    port: number,
    hello: HelloModel,
    ticket: Ticket | null = null,
    early: readonly (string | Buffer)[] = [],
  ) {
    const records = early.map((data) => Buffer.from(data as string, 'latin1'));
    this.tls = new ScriptedClient(hello, ticket, records);
    this.#ticket = ticket;
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.on('connect', () => this.#opened.resolve());
    this.#socket.on('error', () => {});
    this.#socket.on('data', (bytes: Buffer) => {
      this.tls.receive(bytes);
      const pending = this.tls.takePending();
      if (pending === null) return;
      this.#isRetried = true;
      this.#socket.write(pending);
    });
    this.#socket.on('close', () => {
      this.#isClosed = true;
    });
  }

  get isRetried(): boolean {
    return this.#isRetried;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Content of application data so far, as text. */
  get text(): string {
    return this.tls.content.toString('latin1');
  }

  /** Its first flight; further early data of it is then sealed with `sealEarly`. */
  flight(): Buffer {
    const flight = this.tls.firstFlight();
    const ticket = this.#ticket;
    if (ticket === null) return flight;
    const records = recordsOf(flight);
    const hello = records.filter((record) => record[0] === ContentType.handshake);
    const schedule = new KeySchedule(ticket.hash, ticket.key);
    const transcript = hashBytes(ticket.hash, messageOf(Buffer.concat(hello)));
    const secret = schedule.derive('c e traffic', transcript);
    this.#early = new RecordProtection(cipherSuites.get(ticket.suite)!, secret);
    // Each record has its number (§5.3).
    for (const [type] of records) {
      if (type === ContentType.applicationData) this.sealEarly('');
    }
    return flight;
  }

  /** One more record under the keys of early data, after those of the flight. */
  sealEarly(content: string | Buffer, type: number = ContentType.applicationData): Buffer {
    return this.#early!.seal(type, Buffer.from(content as string, 'latin1'));
  }

  async send(...bytes: readonly Uint8Array[]): Promise<void> {
    await within(this.#opened.promise, 'a connection');
    const sent = Promise.withResolvers<void>();
    this.#socket.write(Buffer.concat(bytes), () => sent.resolve());
    await within(sent.promise, 'bytes to be sent');
  }

  /** Resolves when the server waits for our Finished. */
  async ready(): Promise<void> {
    await until(() => this.tls.isReady || this.#stopped(), 'the server’s Finished');
  }

  /** Sends its last flight and a request after it. */
  async finish(...requests: readonly string[]): Promise<void> {
    await this.ready();
    await this.send(this.tls.finish(requests.map((text) => Buffer.from(text, 'latin1'))));
  }

  async answered(words: string): Promise<void> {
    await until(() => this.text.includes(words) || this.#stopped(), `${words} in the answer`);
  }

  /** By the server. */
  async closed(): Promise<void> {
    await until(() => this.#isClosed, 'the server to close');
  }

  endOurs(): void {
    this.#socket.end();
  }

  #stopped(): false {
    const { fault, alert } = this.tls;
    if (this.#isClosed || fault !== '') throw new Error(`it is over: ${fault} ${alert}`);
    return false;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** A ticket from a whole connection of its own. */
export async function ticketFor(port: number, hello: HelloModel, request: string): Promise<Ticket> {
  using client = new EarlyClient(port, hello);
  await client.send(client.flight());
  await client.finish(request);
  return await until(() => client.tls.tickets[0], 'a ticket');
}
