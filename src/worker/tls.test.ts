import assert from 'node:assert/strict';
import test from 'node:test';
import { certificatesToSend } from './tls.ts';

test('without the feature ocsp-stapling certificates are sent without their status', () => {
  const pair = { certificatePem: 'c', keyPem: 'k', ocspResponse: Buffer.from('status') };
  assert.deepEqual(certificatesToSend([pair], {}), [pair]);
  assert.deepEqual(certificatesToSend([pair], { 'ocsp-stapling': false }), [
    { certificatePem: 'c', keyPem: 'k' },
  ]);
});
