// Needs openssl: it reads what was made.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';
import { unlessInstalled } from '../../test/support/programs.ts';
import { certificateRequest, makeCertificateKey } from './certificate-request.ts';

test('a request is signed by its key and has all names', {
  skip: unlessInstalled('openssl'),
}, async () => {
  for (const [type, words] of [
    ['ecdsa', /ecdsa-with-SHA256/],
    ['rsa', /2048 bit[\s\S]*sha256WithRSA/],
  ] as const) {
    const der = certificateRequest(await makeCertificateKey(type), [
      'example.org',
      '*.example.org',
      '192.0.2.7',
      '2001:db8::1',
    ]);
    const options = { input: der, encoding: 'utf8', stdio: 'pipe' } as const;
    const text = execFileSync(
      'openssl',
      ['req', '-inform', 'DER', '-verify', '-noout', '-text'],
      options,
    );
    assert.match(text, words);
    assert.match(
      text,
      /DNS:example.org, DNS:\*.example.org, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:1/,
    );
    assert.match(text, /Subject: *\n/);
  }
});
