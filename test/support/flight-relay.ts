/**
 * A TCP relay that tells a TLS client's first flight (ClientHello and early data) from what follows,
 * can hold the rest back, delay either direction, and keep the first flight for replay.
 *
 * A client sends its second flight only after it has received something. So the relay keeps what the
 * server sends until the first flight is whole, and what the client sends after that is not first
 * flight: no clock is involved.
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { within } from './waiting.ts';

const RECORD_HEADER_BYTES = 5;
const APPLICATION_DATA = 23;

export interface RelayOptions {
  /** Port of the server on loopback. */
  readonly target: number;
  /** Records of early data in a first flight; 0 for a flight that is a ClientHello only. */
  readonly earlyRecords: number;
  /** Keep the client's second flight until {@link FlightRelay.release}. */
  readonly hold?: boolean;
  /** Milliseconds by which every byte is late, each way. */
  readonly delayMs?: number;
}

export class FlightRelay implements AsyncDisposable {
  readonly server = createServer();
  /** The first flight of the first connection. */
  readonly #first = Promise.withResolvers<Buffer>();
  readonly #options: RelayOptions;
  readonly #sockets = new Set<Socket>();
  #releases: (() => void)[] = [];
  #isHolding: boolean;
  /** Bytes of the client's second flight that are kept back now. */
  heldBytes = 0;
  /** Bytes that the server has sent, passed on or not. */
  serverBytes = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#isHolding = options.hold ?? false;
    this.server.on('connection', (client) => this.#join(client));
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** The first flight of the first connection, when all of it has come. */
  firstFlight(): Promise<Buffer> {
    return within(this.#first.promise, 'the first flight');
  }

  /** Lets what was held back go on. */
  release(): void {
    this.#isHolding = false;
    for (const release of this.#releases) release();
    this.#releases = [];
    this.heldBytes = 0;
  }

  #join(client: Socket): void {
    const { target, earlyRecords, delayMs = 0 } = this.#options;
    const server = connect({ host: '127.0.0.1', port: target, noDelay: true });
    client.setNoDelay(true);
    const later = (act: () => void) => (delayMs === 0 ? act() : setTimeout(act, delayMs));
    const toServer = (bytes: Buffer) => later(() => server.writable && server.write(bytes));
    const toClient = (bytes: Buffer) => later(() => client.writable && client.write(bytes));
    let flight = Buffer.alloc(0);
    let isWhole = false;
    let fromServer: Buffer[] = [];
    const held: Buffer[] = [];

    client.on('data', (bytes: Buffer) => {
      if (!isWhole) {
        flight = Buffer.concat([flight, bytes]);
        toServer(bytes);
        isWhole = holdsWholeFlight(flight, earlyRecords);
        if (!isWhole) return;
        this.#first.resolve(flight);
        for (const kept of fromServer) toClient(kept);
        fromServer = [];
      } else if (this.#isHolding) {
        if (held.length === 0) this.#releases.push(() => toServer(Buffer.concat(held)));
        held.push(bytes);
        this.heldBytes += bytes.length;
      } else {
        toServer(bytes);
      }
    });
    server.on('data', (bytes: Buffer) => {
      this.serverBytes += bytes.length;
      if (isWhole) toClient(bytes);
      else fromServer.push(bytes);
    });
    client.on('end', () => later(() => server.end()));
    server.on('end', () => later(() => client.end()));
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        later(() => other.destroy());
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.server.close(() => resolve());
    await promise;
  }
}

export async function startFlightRelay(options: RelayOptions): Promise<FlightRelay> {
  const relay = new FlightRelay(options);
  const { promise, resolve } = Promise.withResolvers<void>();
  relay.server.listen(0, '127.0.0.1', resolve);
  await promise;
  return relay;
}

/** Whether a ClientHello and so many records of application data are there (RFC 8446 §5.1). */
function holdsWholeFlight(bytes: Buffer, earlyRecords: number): boolean {
  let offset = 0;
  let records = 0;
  let early = 0;
  while (offset + RECORD_HEADER_BYTES <= bytes.length) {
    const end = offset + RECORD_HEADER_BYTES + bytes.readUInt16BE(offset + 3);
    if (end > bytes.length) return false;
    records++;
    if (bytes[offset] === APPLICATION_DATA) early++;
    offset = end;
  }
  return records > 0 && early >= earlyRecords;
}

/**
 * Sends a recorded first flight and nothing more, as an attacker does who cannot finish the
 * handshake. Resolves when the server closes or after `waitMs`.
 */
export async function replayFlight(port: number, flight: Buffer, waitMs: number): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, waitMs);
  socket.on('error', () => resolve());
  socket.on('close', () => resolve());
  socket.resume();
  socket.write(flight);
  await promise;
  clearTimeout(timer);
  socket.destroy();
}
