import assert from 'node:assert/strict';
import test from 'node:test';
import { FakeQuic } from '../../test/http3/fake-quic.ts';
import { GET_FIELDS, headers, POST_FIELDS, readFrames, settings } from '../../test/http3/wire.ts';
import type { SluiceError } from '../base/errors.ts';
import type { RequestFacts, RequestHandler, ResponseSender } from '../http/exchange.ts';
import { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import type { HandshakeRecord } from '../tls/contract.ts';
import { ChannelPool } from '../transport/channel.ts';
import { ClientCounts } from './client-counts.ts';
import type { RefusingSink } from './host-guard.ts';
import { Http3Downstream } from './http3-connection.ts';
import { defaultDownstreamLimits } from './limits.ts';

const COMPLETE: HandshakeRecord = {
  outcome: 'complete',
  version: 'TLSv1.3',
  cipher: 'TLS_AES_128_GCM_SHA256',
  group: 'X25519MLKEM768',
  signature: '',
  resumed: true,
  earlyData: 'accepted',
  earlyDataReason: '',
  earlyDataBytes: 100,
  helloRetryRequest: false,
  serverName: 'example.com',
  alpn: 'h3',
  startedAtMs: 0,
  durationMs: 12,
  bytesReceived: 1,
  bytesSent: 1,
  alert: '',
  alertSentBy: '',
  errorCode: '',
  blame: '',
  callbackFault: '',
  lastState: '',
};

interface Asked {
  readonly head: RequestHead;
  readonly sender: ResponseSender;
  readonly facts: RequestFacts;
  aborted: SluiceError | null;
}

/** A client over QUIC, a clock that stands still, and what was noted of the connection. */
class Scene {
  readonly quic = new FakeQuic(true);
  readonly requests: Asked[] = [];
  readonly notes: string[] = [];
  readonly connection: Http3Downstream;
  nowMs = 1_000;
  #endOfTurn: (() => void)[] = [];

  constructor(isCovered: (host: number, name: string) => boolean = () => true) {
    const { notes } = this;
    const onRequest = (head: RequestHead, sender: ResponseSender, facts: RequestFacts) => {
      const asked: Asked = { head, sender, facts, aborted: null };
      this.requests.push(asked);
      const handler: RequestHandler = {
        onContent: () => {},
        onEnd: () => {},
        onAbort: (error) => {
          asked.aborted = error;
        },
        onWritable: () => {},
      };
      return handler;
    };
    const sink: RefusingSink = {
      onRequest,
      turnAway: (_error, ...asked) => onRequest(...asked),
      turnAwayFromOrigin: (_error, ...asked) => onRequest(...asked),
    };
    const shared = {
      channels: new ChannelPool(() => {}),
      sink,
      clients: new ClientCounts(),
      policies: null,
      limits: defaultDownstreamLimits,
      monotonicMs: () => this.nowMs,
      dateNow: () => 'Thu, 01 Jan 2026 00:00:00 GMT',
      observer: {
        onHandshake: () => notes.push('handshake'),
        onAbuse: () => notes.push('abuse'),
        onRefused: ({ code }: SluiceError) => notes.push(`refused ${code}`),
        onBadRequest: ({ status }: { status: number }) => notes.push(`bad request ${status}`),
        onHttp3Abuse: (kind: string) => notes.push(`abuse ${kind}`),
        onQuicEnd: () => {},
        onClosed: () => notes.push('closed'),
      },
      isCovered,
    };
    this.connection = new Http3Downstream(shared, {
      quic: this.quic,
      tls: {
        host: 2,
        serverName: 'example.com',
        clientHello: Uint8Array.of(1),
        peerCertificates: () => [],
      },
      peer: { remoteAddress: '192.0.2.1', remotePort: 40_000 },
      local: { address: '192.0.2.2', port: 443 },
      atEndOfTurn: (body) => this.#endOfTurn.push(body),
      grease: 1,
    });
    this.quic.application = this.connection.application;
    this.connection.application.onReady();
    this.quic.peerStream(2).deliver(Buffer.concat([Buffer.from([0]), settings()]));
  }

  get closeCode(): number | undefined {
    return this.quic.closed?.code;
  }

  endTurn(): void {
    for (const body of this.#endOfTurn.splice(0)) body();
  }

  sweepAfter(ms: number): void {
    this.nowMs += ms;
    this.connection.sweep(this.nowMs);
  }

  answer(): void {
    for (const { sender } of this.requests) {
      sender.sendHead({ status: 200, fields: FieldSection.of(), contentLength: 0 });
      sender.sendEnd(null);
    }
    this.quic.settle();
  }
}

test('a request in early data is early until the handshake ends, and then only began so', () => {
  const scene = new Scene();
  scene.quic.peerStream(0).deliver(headers(GET_FIELDS), true, true);
  const [{ facts }] = scene.requests as [Asked];
  assert.equal(facts.early && facts.beganEarly, true);
  assert.equal(facts.tls?.earlyData, 'accepted');
  assert.equal(facts.tls?.host, 2);
  const ended: boolean[] = [];
  facts.whenHandshakeEnds((complete) => ended.push(complete));
  assert.deepEqual(ended, []);
  scene.connection.onHandshakeEnd(COMPLETE);
  assert.deepEqual(ended, [true]);
  assert.equal(facts.early, false);
  assert.equal(facts.beganEarly, true);
  scene.quic.peerStream(4).deliver(headers(GET_FIELDS), true);
  const later = scene.requests[1]!.facts;
  assert.equal(later.beganEarly, false);
  assert.equal(later.tls?.group, 'X25519MLKEM768');
  assert.equal(later.remoteAddress, '192.0.2.1');
  assert.deepEqual(scene.notes, ['handshake']);
});

test('whoever waits for a handshake that never ends is told so', () => {
  const scene = new Scene();
  scene.quic.peerStream(0).deliver(headers(GET_FIELDS), true, true);
  const ended: boolean[] = [];
  scene.requests[0]!.facts.whenHandshakeEnds((complete) => ended.push(complete));
  scene.quic.end({ by: 'idle', isApplication: false });
  assert.deepEqual(ended, [false]);
  assert.ok(scene.requests[0]!.aborted !== null);
  assert.deepEqual(scene.notes, ['closed']);
});

test('a head whose end has not come is handed up at the end of the turn', () => {
  const scene = new Scene();
  scene.quic.peerStream(0).deliver(headers(POST_FIELDS));
  assert.equal(scene.requests.length, 0);
  scene.endTurn();
  assert.equal(scene.requests[0]!.head.contentLength, -1);
});

test('requests for other names, or another scheme, get 421', () => {
  const scene = new Scene((host, name) => host === 2 && name === 'not this one');
  scene.quic.peerStream(0).deliver(headers(GET_FIELDS), true);
  const plain = GET_FIELDS.map(
    ([name, value]) => [name, name === ':scheme' ? 'http' : value] as const,
  );
  scene.quic.peerStream(4).deliver(headers(plain), true);
  assert.deepEqual(scene.notes, ['bad request 421', 'bad request 421']);
});

test('an idle connection is closed after its time, in order', () => {
  const scene = new Scene();
  scene.connection.onHandshakeEnd(COMPLETE);
  scene.quic.peerStream(0).deliver(headers(GET_FIELDS), true);
  scene.sweepAfter(0);
  scene.sweepAfter(defaultDownstreamLimits.idleTimeoutMs);
  assert.equal(scene.closeCode, undefined, 'it is asked for something');
  scene.answer();
  scene.sweepAfter(0);
  scene.sweepAfter(defaultDownstreamLimits.idleTimeoutMs - 1);
  assert.equal(scene.closeCode, undefined);
  scene.sweepAfter(1);
  assert.equal(scene.closeCode, 0x100);
});

test('a drain answers what is under way and on its way, and closes then', () => {
  const scene = new Scene();
  scene.connection.onHandshakeEnd(COMPLETE);
  scene.quic.peerStream(0).deliver(headers(GET_FIELDS), true);
  scene.connection.drain();
  scene.connection.drain();
  const goaways = () =>
    readFrames(scene.quic.streams.get(3)!.bytes.subarray(1)).filter(({ type }) => type === 7);
  assert.equal(goaways().length, 1);
  scene.quic.peerStream(4).deliver(headers(GET_FIELDS), true);
  scene.sweepAfter(1_000);
  assert.equal(goaways().length, 2);
  scene.answer();
  assert.equal(scene.closeCode, 0x100);
});

test('the end of a drain waits for nobody', () => {
  const scene = new Scene();
  scene.quic.peerStream(0).deliver(headers(GET_FIELDS), true);
  scene.connection.endIdle();
  assert.equal(scene.closeCode, undefined, 'a request is under way');
  scene.connection.breakOff();
  assert.equal(scene.closeCode, 0x100);
});
