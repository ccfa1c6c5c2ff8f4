import assert from 'node:assert/strict';
import test from 'node:test';
import type { HandshakeRecord } from '../../tls/contract.ts';
import { REFUSED_LINE_INTERVAL_MS, RefusedHandshakes } from './refused-handshakes.ts';

function failed(errorCode: string, more: Partial<HandshakeRecord> = {}): HandshakeRecord {
  const facts = { outcome: 'failed', errorCode, alert: '', alertSentBy: '', blame: 'downstream' };
  return { ...facts, serverName: '', ...more } as HandshakeRecord;
}

test('each kind of failed handshake is said at once, with an example, and then summed up', () => {
  let nowMs = 0;
  const said: string[] = [];
  const refused = new RefusedHandshakes(
    () => nowMs,
    (message) => said.push(message),
  );
  const tooOld = failed('tls-version-unsupported', { serverName: 'a.example\n' });
  refused.note(tooOld, '192.0.2.1');
  refused.note(failed('tls-alert-received', { alert: 'unknown_ca', alertSentBy: 'peer' }), '::1');
  assert.deepEqual(said, [
    'a TLS handshake fails: no TLS version in common (from 192.0.2.1 for a.example\\x0a)',
    'a TLS handshake fails: the client refuses ours (alert unknown_ca) (from ::1)',
  ]);
  for (let i = 0; i < 1_000; i++) refused.note(tooOld, '192.0.2.1');
  assert.equal(said.length, 2);
  nowMs = REFUSED_LINE_INTERVAL_MS;
  refused.note(tooOld, '192.0.2.9');
  assert.match(said[2]!, /^1001 TLS handshakes failed: no TLS version .* \(from 192\.0\.2\.9/);
});

test('a port scan and a fault of ours have no line here, and no stranger makes lines without end', () => {
  const said: string[] = [];
  const refused = new RefusedHandshakes(
    () => 0,
    (message) => said.push(message),
  );
  refused.note(failed('tls-handshake-not-begun'), '192.0.2.1');
  refused.note(failed('internal-error', { blame: 'self' }), '192.0.2.1');
  assert.deepEqual(said, []);
  for (let i = 0; i < 1_000; i++) refused.note(failed(`code-${i}`), '192.0.2.1');
  assert.ok(said.length < 100, `${said.length} lines`);
});
