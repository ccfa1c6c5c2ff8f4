import assert from 'node:assert/strict';
import test from 'node:test';
import { SluiceError } from '../base/errors.ts';
import { configuredAuthority } from '../http/authority.ts';
import type { ResponseHandler } from '../http/exchange.ts';
import { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import { defaultUpstreamHttp2Limits } from './http2-limits.ts';
import { Http2Session } from './http2-session.ts';

const SETTINGS = Buffer.from('000000040000000000', 'hex');
const PING = 6;
const RST_STREAM = 3;
const GOAWAY = 7;
const READ_TIMEOUT_MS = 60_000;
const { idleTimeoutMs, lingerTimeoutMs, pingAfterMs, pongTimeoutMs, sweepIntervalMs } =
  defaultUpstreamHttp2Limits;

const GET: RequestHead = {
  method: 'GET',
  version: '1.1',
  scheme: 'http',
  authority: configuredAuthority('a.example'),
  path: '/',
  fields: new FieldSection(),
  contentLength: 0,
  expectContinue: false,
  upgrade: '',
};

/** A session on a recorded channel, with time in the test's hands. */
class SessionUnderTest {
  nowMs = 0;
  readonly session: Http2Session;
  readonly errors: SluiceError[] = [];
  destroyed = false;
  ended = false;
  available = 0;
  #written: Buffer[] = [];
  #sweep: () => void = () => {};

  constructor() {
    const channel = {
      write: (bytes: Uint8Array) => {
        this.#written.push(Buffer.from(bytes));
        return true;
      },
      end: () => {
        this.ended = true;
      },
      destroy: () => {
        this.destroyed = true;
      },
      reset() {},
      pauseReading() {},
      resumeReading() {},
    };
    const timer = (callback: () => void) => {
      this.#sweep = callback;
      return { arm() {}, cancel() {} };
    };
    this.session = new Http2Session({
      reactor: { timer },
      channel: channel,
      channels: { atEndOfTurn: (body: () => void) => body() },
      limits: defaultUpstreamHttp2Limits,
      responseTimeoutMs: READ_TIMEOUT_MS,
      readTimeoutMs: READ_TIMEOUT_MS,
      duplexTimeoutMs: READ_TIMEOUT_MS,
      scheme: 'https',
      exchangesExpected: 100,
      monotonicMs: () => this.nowMs,
      onExchangeEnd: () => {},
      onAvailable: () => this.available++,
    });
  }

  get() {
    const handler: ResponseHandler = {
      onInformational() {},
      onHead() {},
      onContent() {},
      onEnd() {},
      onUpgrade() {},
      onWritable() {},
      onError: (error) => this.errors.push(error),
    };
    return this.session.start(GET, handler);
  }

  receive(bytes: Buffer): void {
    this.session.receive(bytes);
  }

  /** Lets time pass, sweep by sweep. */
  pass(milliseconds: number): void {
    for (const end = this.nowMs + milliseconds; this.nowMs < end; ) {
      this.nowMs += sweepIntervalMs;
      this.#sweep();
    }
  }

  /** Types of the frames written since the last call. */
  frames(): number[] {
    let bytes = Buffer.concat(this.#written.splice(0));
    if (bytes.subarray(0, 3).toString() === 'PRI') bytes = bytes.subarray(24);
    const types: number[] = [];
    for (let at = 0; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
      types.push(bytes[at + 3]!);
    }
    return types;
  }
}

test('a connection that falls silent while it owes an answer is probed, and given up', () => {
  const under = new SessionUnderTest();
  under.get();
  under.receive(SETTINGS);
  under.frames();
  under.pass(pingAfterMs - sweepIntervalMs);
  assert.deepEqual(under.frames(), []);
  under.pass(sweepIntervalMs);
  assert.deepEqual(under.frames(), [PING]);
  assert.equal(under.session.available, 0, 'nobody new is sent there meanwhile');
  under.pass(pongTimeoutMs - sweepIntervalMs);
  assert.equal(under.destroyed, false);
  under.pass(sweepIntervalMs);
  assert.equal(under.destroyed, true);
  under.session.onConnectionLost(new SluiceError('x', 'closed', { blame: 'upstream' }));
  assert.equal(under.errors[0]!.code, 'connection-timed-out');
  assert.equal(under.errors[0]!.retry, 'ifReused');
});

test('any sign of life ends the doubt', () => {
  const under = new SessionUnderTest();
  under.get();
  under.receive(SETTINGS);
  under.pass(pingAfterMs);
  const before = under.available;
  under.receive(Buffer.from('000000040100000000', 'hex'));
  assert.ok(under.session.available > 0);
  assert.ok(under.available > before, 'the pool is told');
  under.pass(pongTimeoutMs);
  assert.equal(under.destroyed, false);
});

test('one exchange times out alone; one whose client does not read has no fault', () => {
  const under = new SessionUnderTest();
  under.receive(SETTINGS);
  under.get();
  const paused = under.get();
  paused.pause();
  under.frames();
  for (let i = 0; i < 4; i++) {
    under.pass(READ_TIMEOUT_MS / 4);
    // The origin is alive, and says nothing of either.
    under.receive(Buffer.from('000000040100000000', 'hex'));
  }
  assert.deepEqual(
    under.errors.map(({ code }) => code),
    ['read-timeout'],
  );
  assert.deepEqual(under.frames(), [RST_STREAM]);
  paused.cancel();
  assert.deepEqual(under.frames(), [RST_STREAM]);
});

test('a connection that nobody uses is closed in order, and then at all', () => {
  const under = new SessionUnderTest();
  under.receive(SETTINGS);
  under.frames();
  under.pass(idleTimeoutMs - sweepIntervalMs);
  assert.equal(under.ended, false);
  under.pass(sweepIntervalMs);
  assert.deepEqual(under.frames(), [GOAWAY]);
  assert.deepEqual([under.ended, under.session.available], [true, 0]);
  under.pass(sweepIntervalMs + lingerTimeoutMs);
  assert.equal(under.destroyed, true);
});

test('a drain waits for what is under way', () => {
  const under = new SessionUnderTest();
  under.receive(SETTINGS);
  const exchange = under.get();
  under.session.closeWhenIdle();
  assert.deepEqual([under.ended, under.session.available], [false, 0]);
  exchange.cancel();
  assert.equal(under.ended, true);
});
