import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../../base/errors.ts';
import { proxyStatusField, proxyStatusOf } from './proxy-status.ts';

const upstream = (code: string) => new SluiceError(code, 'x', { blame: 'upstream' });

test('an origin that cannot be reached or breaks off gives 502, a silent one 504', () => {
  assert.deepEqual(proxyStatusOf(upstream('connection-refused')), {
    status: 502,
    type: 'connection_refused',
  });
  assert.equal(proxyStatusOf(upstream('connect-timeout')).status, 504);
  assert.equal(proxyStatusOf(upstream('read-timeout')).type, 'http_response_timeout');
});

test('certificate errors, alerts and other TLS errors have their own types', () => {
  assert.equal(proxyStatusOf(upstream('tls-certificate-expired')).type, 'tls_certificate_error');
  assert.equal(proxyStatusOf(upstream('tls-alert-handshake_failure')).type, 'tls_alert_received');
  assert.equal(proxyStatusOf(upstream('tls-protocol-error')).type, 'tls_protocol_error');
});

test('a code without an entry is judged by who is to blame', () => {
  assert.equal(proxyStatusOf(upstream('odd')).type, 'http_protocol_error');
  assert.equal(proxyStatusOf(new SluiceError('odd', 'x', { blame: 'internal' })).status, 500);
  assert.equal(proxyStatusOf(new SluiceError('odd', 'x', { blame: 'downstream' })).status, 400);
});

test('the field is a structured field item whatever the message contains', () => {
  const error = new SluiceError('connection-refused', 'no "way"\r\n\\ ü', { blame: 'upstream' });
  assert.equal(
    proxyStatusField('sluice', error),
    'sluice; error=connection_refused; details="no \\"way\\"??\\\\ ?"',
  );
});
