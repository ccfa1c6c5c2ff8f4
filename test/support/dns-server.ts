/** A DNS server of a few records over UDP on loopback (RFC 1035), which a test changes as it goes. */
import { createSocket, type RemoteInfo } from 'node:dgram';
import { isIPv6 } from 'node:net';

const TYPE_A = 1;
const TYPE_AAAA = 28;
const RCODE_SERVER_FAILURE = 2;
const RCODE_NAME_ERROR = 3;
/** A response, authoritative, recursion available and desired. */
const FLAGS = 0x8580;

export interface Zone {
  readonly addresses: readonly string[];
  readonly ttlSeconds: number;
}

export class DnsServer implements AsyncDisposable {
  readonly #socket = createSocket('udp4');
  /** By name. */
  readonly zones = new Map<string, Zone>();
  /** SERVFAIL to everything. */
  isFailing = false;
  /** Names asked for, one entry for each question. */
  readonly questions: string[] = [];

  constructor() {
    this.#socket.on('message', (message, peer) => this.#answer(message, peer));
  }

  /** `127.0.0.1:PORT`. */
  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  async listen(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.bind(0, '127.0.0.1', resolve);
    await promise;
  }

  #answer(message: Buffer, peer: RemoteInfo): void {
    const { name, end } = readName(message);
    const type = message.readUInt16BE(end);
    const question = message.subarray(12, end + 4);
    this.questions.push(name);
    const zone = this.zones.get(name);
    const wanted = (zone?.addresses ?? []).filter(
      (one) => type === (isIPv6(one) ? TYPE_AAAA : TYPE_A),
    );
    const records = wanted.map((one) => record(type, one, zone!.ttlSeconds));
    const known = zone === undefined ? RCODE_NAME_ERROR : 0;
    const rcode = this.isFailing ? RCODE_SERVER_FAILURE : known;
    const header = Buffer.alloc(12);
    header.writeUInt16BE(message.readUInt16BE(0), 0);
    header.writeUInt16BE(FLAGS | rcode, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(rcode === 0 ? records.length : 0, 6);
    const answers = rcode === 0 ? records : [];
    this.#socket.send(Buffer.concat([header, question, ...answers]), peer.port, peer.address);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.close(resolve);
    await promise;
  }
}

export async function startDnsServer(): Promise<DnsServer> {
  const server = new DnsServer();
  await server.listen();
  return server;
}

/** The name of the question, and where its type begins. */
function readName(message: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  while (message[at] !== 0) {
    const length = message[at]!;
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 };
}

function record(type: number, address: string, ttlSeconds: number): Buffer {
  const data = type === TYPE_A ? Buffer.from(address.split('.').map(Number)) : loopbackV6(address);
  const head = Buffer.alloc(12);
  // A pointer to the name in the question.
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(ttlSeconds, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

/** Tests need `::1` and `::` with a last group, as `::2`. */
function loopbackV6(address: string): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16BE(Number.parseInt(address.slice(2) || '0', 16), 14);
  return bytes;
}
