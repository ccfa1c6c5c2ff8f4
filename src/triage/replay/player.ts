/** Plays a script against a server, as a client of ours that trusts anybody: a tool for a desk. */
import { parseClientHello } from '../../tls/client-hello.ts';
import { readHello } from '../reduce/hello-model.ts';
import type { Player } from '../sandbox.ts';
import type { Ticket } from './client/own-hello.ts';
import { requestRecords } from './client/request-bytes.ts';
import { ScriptedClient } from './client/scripted-client.ts';
import { PlayedConnection, type TimedWrite } from './played-connection.ts';
import { playRequest } from './request-player.ts';
import type {
  ClientHelloFlight,
  FinishFlight,
  HandshakeScript,
  PlayedOutcome,
  ReplayFlight,
  SizedWrite,
} from './script.ts';

type Outcome = Omit<PlayedOutcome, 'durationMs'>;

export const playScript: Player = async (script, target, signal) => {
  signal.throwIfAborted();
  if (script.mode === 'request') return playRequest(script, target, signal);
  const startedAtMs = performance.now();
  const connections: PlayedConnection[] = [];
  const destroyAll = () => {
    for (const connection of connections) connection.destroy();
  };
  const connect = () => {
    signal.throwIfAborted();
    const connection = new PlayedConnection(target);
    connections.push(connection);
    return connection;
  };
  signal.addEventListener('abort', destroyAll, { once: true });
  try {
    const [first] = script.flights;
    // Before the connection itself: there are servers that serve one at a time.
    const resumes = first?.kind === 'client-hello' && first.resumes;
    const ticket = resumes ? await fetchTicket(first, connect()) : null;
    const outcome = await new Play(script, ticket, connect()).run();
    signal.throwIfAborted();
    return { ...outcome, durationMs: Math.round(performance.now() - startedAtMs) };
  } finally {
    signal.removeEventListener('abort', destroyAll);
    destroyAll();
  }
};

/** By a full handshake, on a connection of its own; null when the server gives none. */
async function fetchTicket(
  { template }: ClientHelloFlight,
  connection: PlayedConnection,
): Promise<Ticket | null> {
  const model = readHello(Buffer.from(template, 'base64'));
  if (model === null || !(await connection.isConnected())) return null;
  const client = new ScriptedClient(model, null);
  connection.onBytes = (bytes) => client.receive(bytes);
  const exchange = async (bytes: Buffer) => {
    await connection.send([{ delayMs: 0, bytes }]);
    await connection.answer();
  };
  await exchange(client.firstFlight());
  const again = client.takePending();
  if (again !== null) await exchange(again);
  if (!client.isReady) return null;
  await exchange(client.finish([]));
  connection.destroy();
  return client.tickets[0] ?? null;
}

/** One script, once, on one connection. */
class Play {
  readonly #script: HandshakeScript;
  readonly #ticket: Ticket | null;
  readonly #connection: PlayedConnection;
  #client: ScriptedClient | null = null;
  /** Of the client's ClientHello. */
  #asked = { host: '', protocol: '' };
  #flightsSent = 0;

  constructor(script: HandshakeScript, ticket: Ticket | null, connection: PlayedConnection) {
    this.#script = script;
    this.#ticket = ticket;
    this.#connection = connection;
  }

  async run(): Promise<Outcome> {
    const { flights, end } = this.#script;
    if (!(await this.#connection.isConnected())) return this.#outcome('refused');
    for (const [index, flight] of flights.entries()) {
      const writes = this.#writesOf(flight);
      if (writes === null) break;
      if (!(await this.#connection.send(writes))) return this.#outcome('closed');
      this.#flightsSent++;
      if (index === flights.length - 1 && end !== 'wait') break;
      const answer = await this.#answer();
      if (answer !== 'answered') return this.#outcome(answer);
    }
    if (end === 'reset') this.#connection.reset();
    else await this.#connection.end();
    const isAnswered = this.#connection.records.received.length > 0;
    return this.#outcome(isAnswered ? 'answered' : 'closed');
  }

  #outcome(result: PlayedOutcome['result']): Outcome {
    const { received, alert: plainAlert } = this.#connection.records;
    const sealedAlert = this.#client?.alert ?? '';
    // close_notify ends a connection in order (RFC 8446 §6.1).
    const alert = sealedAlert === '' || sealedAlert === 'close_notify' ? plainAlert : sealedAlert;
    const sealed = this.#client?.received ?? [];
    const faults = [this.#client?.fault ?? '', this.#ticketFault].filter((one) => one !== '');
    return {
      result: alert === '' ? result : 'alert',
      alert,
      flightsSent: this.#flightsSent,
      received: [...received, ...sealed, ...faults],
    };
  }

  get #ticketFault(): string {
    const [first] = this.#script.flights;
    const lacks = first?.kind === 'client-hello' && first.resumes && this.#ticket === null;
    return lacks ? 'the server gave no ticket, so the handshake was a full one' : '';
  }

  /** What the server says, and a second ClientHello where it asks for one. */
  async #answer(): Promise<'answered' | 'closed' | 'silent'> {
    const answer = await this.#connection.answer();
    const again = this.#client?.takePending() ?? null;
    if (answer !== 'answered' || again === null) return answer;
    if (!(await this.#connection.send([{ delayMs: 0, bytes: again }]))) return 'closed';
    return this.#connection.answer();
  }

  /** Null when the client cannot go on: what comes then is not played. */
  #writesOf(flight: ReplayFlight): TimedWrite[] | null {
    switch (flight.kind) {
      case 'bytes':
        return flight.writes.map(({ delayMs, bytes }) => ({
          delayMs,
          bytes: Buffer.from(bytes, 'base64'),
        }));
      case 'client-hello':
        return this.#begin(flight);
      case 'finish':
        return this.#finish(flight);
    }
  }

  #begin({ template, earlyData, writes }: ClientHelloFlight): TimedWrite[] | null {
    const bytes = Buffer.from(template, 'base64');
    const model = readHello(bytes);
    const parsed = parseClientHello(bytes);
    if (model === null || parsed === null) return null;
    this.#asked = { host: parsed.serverName, protocol: parsed.protocols[0] ?? '' };
    const client = new ScriptedClient(model, this.#ticket, this.#request(earlyData));
    this.#client = client;
    this.#connection.onBytes = (received) => client.receive(received);
    return inWrites(client.firstFlight(), writes);
  }

  #finish({ applicationData }: FinishFlight): TimedWrite[] | null {
    const client = this.#client;
    if (client === null || !client.isReady) return null;
    return [{ delayMs: 0, bytes: client.finish(this.#request(applicationData)) }];
  }

  #request(sizes: readonly number[]): Buffer[] {
    const { host, protocol } = this.#asked;
    return requestRecords(sizes, host, protocol);
  }
}

/** The last write takes what is left. */
function inWrites(bytes: Buffer, writes: readonly SizedWrite[]): TimedWrite[] {
  const timed: TimedWrite[] = [];
  let at = 0;
  for (const { delayMs, length } of writes.slice(0, -1)) {
    if (at + length >= bytes.length) break;
    timed.push({ delayMs, bytes: bytes.subarray(at, at + length) });
    at += length;
  }
  timed.push({ delayMs: writes[timed.length]?.delayMs ?? 0, bytes: bytes.subarray(at) });
  return timed;
}
