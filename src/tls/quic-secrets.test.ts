import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import type { QuicSecrets } from '../quic/contracts.ts';
import { TicketedQuicSecrets } from './quic-secrets.ts';

const [first, second, third] = [randomBytes(80), randomBytes(80), randomBytes(80)];

describe('the secrets of QUIC', () => {
  it('open the tokens that they have sealed, also after a rotation, and no others', () => {
    const secrets = new TicketedQuicSecrets([first]);
    const text = Buffer.from('what a token says');
    const context = Buffer.from('address');
    const token = secrets.sealToken(text, context);
    assert.deepEqual(Buffer.from(secrets.openToken(token, context)!), text);
    assert.equal(secrets.openToken(token, Buffer.from('another')), undefined);
    for (let at = 0; at < token.length; at++) {
      const altered = Uint8Array.from(token);
      altered[at]! ^= 1;
      assert.equal(secrets.openToken(altered, context), undefined);
      assert.equal(secrets.openToken(token.subarray(0, at), context), undefined);
    }
    const restarted = new TicketedQuicSecrets([first]);
    assert.deepEqual(Buffer.from(restarted.openToken(token, context)!), text);
    secrets.replaceKeys([second, first]);
    assert.deepEqual(Buffer.from(secrets.openToken(token, context)!), text);
    secrets.replaceKeys([third, second]);
    assert.equal(secrets.openToken(token, context), undefined);
    assert.notDeepEqual(secrets.sealToken(text, context), secrets.sealToken(text, context));
  });

  it('give a connection ID the same reset token again, also after a restart', () => {
    const secrets: QuicSecrets = new TicketedQuicSecrets([first, second]);
    const id = randomBytes(8);
    const token = secrets.resetToken(id);
    assert.equal(token.length, 16);
    assert.deepEqual(new TicketedQuicSecrets([first]).resetToken(id), token);
    assert.notDeepEqual(secrets.resetToken(randomBytes(8)), token);
    assert.notDeepEqual(new TicketedQuicSecrets([second]).resetToken(id), token);
  });

  it('give other chance each time, of any length', () => {
    const secrets = new TicketedQuicSecrets([first]);
    const seen = new Set<string>();
    for (let i = 0; i < 2_000; i++) {
      const bytes = new Uint8Array(8 + (i % 60));
      secrets.fillRandom(bytes);
      seen.add(Buffer.from(bytes.subarray(0, 8)).toString('hex'));
    }
    const long = new Uint8Array(10_000);
    secrets.fillRandom(long);
    assert.equal(seen.size, 2_000);
    assert.ok(long.subarray(9_900).some((byte) => byte !== 0));
  });
});
