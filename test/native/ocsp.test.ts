// Needs openssl: it makes the certificates.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { liveNativeCounts } from '../../src/native/counters.ts';
import { ocspRequest, readOcspResponse } from '../../src/native/ocsp.ts';
import { Certificate } from '../../src/native/x509.ts';
import { Authority, type OcspOptions } from '../support/authority.ts';

const authority = new Authority();
const issued = authority.issue();
const [certificate] = Certificate.readAll(issued.certificatePem);
const [issuer] = Certificate.readAll(authority.certificatePem);
const request = ocspRequest(certificate!, issuer!);
const read = (options: OcspOptions = {}) =>
  readOcspResponse(authority.answerOcsp(request, options), certificate!, issuer!);

after(() => {
  certificate![Symbol.dispose]();
  issuer![Symbol.dispose]();
  assert.equal(liveNativeCounts().x509, 0);
});

describe('an OCSP response', () => {
  test('of a good certificate says so, and how long it holds', () => {
    const { status, validSeconds } = read({ validMinutes: 60 });
    assert.equal(status, 'good');
    assert.ok(validSeconds! > 3_000 && validSeconds! <= 3_600, `${validSeconds} s`);
  });

  test('of a revoked certificate says so', () => {
    assert.equal(read({ revoked: [issued.serial] }).status, 'revoked');
  });

  test('signed by somebody else is refused', () => {
    const stranger = new Authority();
    const der = stranger.answerOcsp(request);
    assert.throws(() => readOcspResponse(der, certificate!, issuer!), /signature/);
  });

  test('about another certificate is refused', () => {
    const [other] = Certificate.readAll(authority.issue().certificatePem);
    const der = authority.answerOcsp(ocspRequest(other!, issuer!));
    assert.throws(() => readOcspResponse(der, certificate!, issuer!), /another certificate/);
    other![Symbol.dispose]();
  });

  test('altered in any byte is refused or says the same', () => {
    const der = authority.answerOcsp(request);
    let refused = 0;
    for (let offset = 0; offset < der.length; offset++) {
      const altered = Buffer.from(der);
      altered[offset]! ^= 1;
      try {
        assert.equal(readOcspResponse(altered, certificate!, issuer!).status, 'good');
      } catch (error) {
        assert.ok(!(error instanceof assert.AssertionError), `byte ${offset}`);
        refused++;
      }
    }
    assert.ok(refused > der.length / 2, `${refused} of ${der.length}`);
  });

  test('that is none is refused', () => {
    for (const text of ['', 'none', '\x30\x03\x0a\x01\x06']) {
      const der = Buffer.from(text, 'latin1');
      assert.throws(() => readOcspResponse(der, certificate!, issuer!));
    }
  });
});
