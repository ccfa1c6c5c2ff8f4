/** HTTP/3 over UDP with ngtcp2's client: reactor, QUIC, TLS and HTTP/3 of a worker, in this process. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import type { DownstreamShared } from '../../src/downstream/connection.ts';
import { Http3Downstream } from '../../src/downstream/http3-connection.ts';
import { defaultDownstreamLimits } from '../../src/downstream/limits.ts';
import { noContentLimits } from '../../src/http/content-watch.ts';
import type { RequestFacts, RequestHandler, ResponseSender } from '../../src/http/exchange.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import type { RequestHead } from '../../src/http/message.ts';
import { bootClock } from '../../src/native/boot-clock.ts';
import { openDatagramSocket } from '../../src/native/datagrams/datagram-socket.ts';
import { defaultQuicLimits } from '../../src/quic/limits.ts';
import { Reactor } from '../../src/reactor/reactor.ts';
import type { HandshakeRecord } from '../../src/tls/contract.ts';
import { AntiReplayCheck } from '../../src/tls/early-data/anti-replay-check.ts';
import { StrikeRegister, strikeRegisterBytes } from '../../src/tls/early-data/strike-register.ts';
import { TicketedQuicSecrets } from '../../src/tls/quic-secrets.ts';
import { QuicListener } from '../../src/worker/quic-listener.ts';
import { run, unlessInstalled } from '../support/programs.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';
import { quicServer } from '../tls/quic-wire.ts';

const CLIENT = 'gtlsclient';
const LARGE = randomBytes(1_000_000);
const SMALL = Buffer.from('as small as can be');

interface Seen {
  readonly path: string;
  readonly worker: number;
  readonly wasEarly: boolean;
}

const requests: Seen[] = [];
const records: HandshakeRecord[] = [];
let openConnections = 0;

function answer(sender: ResponseSender, content: Buffer): RequestHandler {
  let at = 0;
  const more = () => {
    while (at < content.length) {
      const part = content.subarray(at, at + 16_384);
      at += part.length;
      const isRoomLeft = sender.sendContent(part);
      if (at === content.length) sender.sendEnd(null);
      if (!isRoomLeft) return;
    }
  };
  return {
    onContent: () => {},
    onEnd() {
      const fields = FieldSection.of(['content-type', 'text/plain']);
      sender.sendHead({ status: 200, fields, contentLength: content.length });
      more();
    },
    onAbort: () => {},
    onWritable: more,
  };
}

const sharedBy = (worker: number): DownstreamShared => ({
  channels: null as never,
  sink: {
    onRequest(head: RequestHead, sender: ResponseSender, facts: RequestFacts) {
      requests.push({ path: head.path, worker, wasEarly: facts.early });
      return answer(sender, head.path.startsWith('/large') ? LARGE : SMALL);
    },
    refuse: null as never,
  } as never,
  clients: null as never,
  policies: null,
  limits: { ...defaultDownstreamLimits, ...noContentLimits },
  monotonicMs: systemClock.monotonicMs,
  dateNow: () => new Date(0).toUTCString(),
  observer: {
    onHandshake: (record) => void records.push(record),
    onAbuse: () => {},
    onHttp3Abuse: () => {},
    onQuicEnd: () => {},
    onRefused: () => {},
    onBadRequest: () => {},
    onClosed: () => void openConnections--,
  },
  isCovered: () => true,
});

const reactor = new Reactor();
const ticketKey = randomBytes(80);
/** Of all workers of the machine. */
const strikes = new Int32Array(strikeRegisterBytes() / 4);
const directory = temporaryDirectory();

function startWorker(index: number): QuicListener {
  const register = new StrikeRegister(strikes);
  const tls = quicServer({ antiReplay: new AntiReplayCheck({ register, nowMs: bootClock.nowMs }) });
  const shared = sharedBy(index);
  return new QuicListener({
    reactor,
    clock: systemClock,
    fds: [openDatagramSocket({ host: '127.0.0.1', port: 0 })],
    isRetryAlways: false,
    secrets: new TicketedQuicSecrets([ticketKey]),
    limits: defaultQuicLimits,
    worker: { index, count: 2 },
    accept: ({ path }) => {
      openConnections++;
      let connection!: Http3Downstream;
      const owner = {
        onHandshakeEnd: (record: HandshakeRecord) => connection.onHandshakeEnd(record),
      };
      const engine = tls.accept(owner, systemClock);
      return {
        tls: engine,
        trace: undefined,
        application: (quic) => {
          connection = new Http3Downstream(shared, {
            quic,
            tls: engine,
            peer: { remoteAddress: path.peerIp.join('.'), remotePort: path.peerPort },
            local: { address: '127.0.0.1', port: 0 },
            atEndOfTurn: (body) => reactor.defer(body),
            grease: 7,
          });
          return connection.application;
        },
      };
    },
  });
}

const workers = [startWorker(0), startWorker(1)];
const port = workers[0]!.port;

after(async () => {
  for (const worker of workers) worker.close();
  assert.equal(openConnections, 0, 'every connection was told to be over, once');
  await reactor.close();
});

/** Asks with the client; returns what it has said. */
async function ask(path: string, words: readonly string[] = [], to = port): Promise<string> {
  const all = ['--exit-on-all-streams-close', '--no-quic-dump', '--no-http-dump', ...words];
  const target = ['127.0.0.1', String(to), `https://localhost${path}`];
  const { code, stderr, text } = await run(CLIENT, [...all, ...target], { cwd: directory });
  assert.equal(code, 0, `${text}\n${stderr}`);
  return `${text}${stderr}`;
}

const seenAt = (path: string) => requests.filter((request) => request.path === path);

describe('HTTP/3 with ngtcp2', { skip: unlessInstalled(CLIENT) }, () => {
  test('answers a request, and counts its handshake once', async () => {
    const before = records.length;
    await ask('/first', ['--download=.']);
    assert.deepEqual(readFileSync(join(directory, 'first')), SMALL);
    assert.deepEqual(seenAt('/first'), [{ path: '/first', worker: 0, wasEarly: false }]);
    assert.equal(records.length, before + 1);
    const record = records.at(-1)!;
    assert.deepEqual(
      [record.outcome, record.version, record.alpn, record.serverName, record.earlyData],
      ['complete', 'TLSv1.3', 'h3', 'localhost', 'not-offered'],
    );
  });

  test('answers more requests than may be open at once', async () => {
    await ask('/many', ['-n', '400']);
    assert.equal(seenAt('/many').length, 400);
  });

  for (const [what, words] of [
    ['whole', []],
    ['whole through 3 % of loss each way', ['-t', '0.03', '-r', '0.03']],
    ['whole while keys are renewed', ['--key-update=5ms']],
    ['whole while the client moves to another address', ['--change-local-addr=5ms']],
  ] as const) {
    test(`sends content ${what}`, async () => {
      const path = `/large-${words.join('').replace(/\W/g, '')}`;
      await ask(path, ['--download=.', ...words]);
      assert.ok(LARGE.equals(readFileSync(join(directory, path))));
    });
  }

  test('offers its version to a client that wants another', async () => {
    const said = await ask('/other', ['-v', '0x1a2a3a4a']);
    assert.match(said, /VERSION_NEGOTIATION/);
    assert.ok(workers[0]!.counts.versionNegotiations > 0);
  });

  const kept = ['--session-file=session', '--tp-file=parameters'];

  test('takes a request from early data, before the handshake has ended', async () => {
    await ask('/before', kept);
    const before = records.length;
    await ask('/early', kept);
    assert.deepEqual(seenAt('/early'), [{ path: '/early', worker: 0, wasEarly: true }]);
    assert.equal(records.length, before + 1);
    assert.equal(records.at(-1)!.earlyData, 'accepted');
  });

  test('runs a flight of early data at most once, whichever worker gets it again', async () => {
    const flight: Buffer[] = [];
    const relay = createSocket('udp4');
    const inner = createSocket('udp4');
    let client = 0;
    relay.on('message', (message, from) => {
      client = from.port;
      if (flight.length < 4) flight.push(message);
      inner.send(message, port, '127.0.0.1');
    });
    inner.on('message', (message) => relay.send(message, client, '127.0.0.1'));
    await new Promise<void>((resolve) => relay.bind(0, '127.0.0.1', resolve));
    await ask('/once', kept, relay.address().port);
    assert.deepEqual(seenAt('/once'), [{ path: '/once', worker: 0, wasEarly: true }]);
    await until(() => openConnections === 0, 'the end of the first connection');
    const received = () => workers.reduce((sum, { counts }) => sum + counts.datagramsReceived, 0);
    const before = received();
    const replays = Array.from({ length: 40 }, () => createSocket('udp4'));
    for (const [i, socket] of replays.entries()) {
      for (const datagram of flight) socket.send(datagram, workers[i % 2]!.port, '127.0.0.1');
    }
    // What a datagram leads to has happened when the next one is received.
    const all = replays.length * flight.length;
    await until(() => received() - before >= all, 'all replays to be received');
    assert.equal(seenAt('/once').length, 1);
    assert.ok(openConnections > 0, 'the replays have begun handshakes, which nobody will end');
    for (const socket of [...replays, relay, inner]) socket.close();
  });
});
