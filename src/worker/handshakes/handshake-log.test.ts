import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HandshakeRecord } from '../../tls/contract.ts';
import { FAILURE_LINES_PER_SECOND, HandshakeLog, handshakeLogFields } from './handshake-log.ts';

const record: HandshakeRecord = {
  outcome: 'failed',
  version: 'TLSv1.3',
  cipher: '',
  group: '',
  signature: '',
  resumed: false,
  earlyData: 'not-offered',
  earlyDataReason: '',
  earlyDataBytes: 0,
  helloRetryRequest: false,
  serverName: 'x"\n\u001b[31m',
  alpn: '',
  startedAtMs: Date.UTC(2026, 10, 23),
  durationMs: 1.23456,
  bytesReceived: 517,
  bytesSent: 7,
  alert: 'handshake_failure',
  alertSentBy: 'us',
  errorCode: 'tls-no-shared-cipher',
  blame: 'downstream',
  lastState: 'error',
} as HandshakeRecord;

const scene = {
  connection: { remoteAddress: '192.0.2.1', remotePort: 5, localPort: 443, clientHello: null },
  fingerprint: 't13d1516h2_8daaf6152771_e5627efa2ab1',
};

function logOf(scope: 'failed' | 'all') {
  const lines: string[] = [];
  let nowMs = 0;
  let suppressed = 0;
  const log = new HandshakeLog({
    log: { write: (line) => void lines.push(line), reopen() {}, close: async () => {} },
    scope,
    monotonicMs: () => nowMs,
    onWritten: () => {},
    onSuppressed: () => suppressed++,
  });
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { log, lines, pass, suppressed: () => suppressed };
}

test('a line says who, where, why and how long, and cannot be forged', () => {
  const { log, lines } = logOf('failed');
  log.write(record, scene);
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /^[\x20-\x7e]+\n$/);
  const line = JSON.parse(lines[0]!);
  assert.deepEqual(
    Object.keys(line),
    handshakeLogFields.map(({ name }) => name),
  );
  assert.partialDeepStrictEqual(line, {
    time: '2026-11-23T00:00:00.000Z',
    remote: '192.0.2.1',
    sni: record.serverName,
    ja4: scene.fingerprint,
    error: 'tls-no-shared-cipher',
    blame: 'downstream',
    alert: 'handshake_failure',
    alert_sent_by: 'us',
    duration_ms: 1.235,
    cipher: null,
  });
});

test('what is complete has a line only when all are wanted', () => {
  for (const scope of ['failed', 'all'] as const) {
    const { log, lines } = logOf(scope);
    log.write({ ...record, outcome: 'complete', errorCode: '', alert: '' }, scene);
    assert.equal(lines.length, scope === 'all' ? 1 : 0);
  }
});

test('connections without a byte have none', () => {
  const { log, lines } = logOf('all');
  log.write({ ...record, errorCode: 'tls-handshake-not-begun' }, scene);
  assert.deepEqual(lines, []);
});

test('a flood of failures is cut to so many a second, and the next line says how many are missing', () => {
  const { log, lines, pass, suppressed } = logOf('failed');
  for (let i = 0; i < FAILURE_LINES_PER_SECOND + 50; i++) log.write(record, scene);
  assert.equal(lines.length, FAILURE_LINES_PER_SECOND);
  assert.equal(suppressed(), 50);
  pass(1_000);
  log.write(record, scene);
  log.write(record, scene);
  assert.equal(JSON.parse(lines.at(-2)!).suppressed, 50);
  assert.equal(JSON.parse(lines.at(-1)!).suppressed, undefined);
});
