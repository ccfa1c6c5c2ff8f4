import assert from 'node:assert/strict';
import test from 'node:test';
import { AcmeAuthority } from '../../test/support/acme-authority.ts';
import { AcmeClient } from './client.ts';
import { AcmeError, type Challenge, type ExternalAccount } from './contract.ts';
import { AccountKey, makeAccountKey } from './jws.ts';
import { type OrderRequest, runOrder } from './order.ts';

const key = new AccountKey(makeAccountKey());

function clientOf(authority: AcmeAuthority, externalAccount: ExternalAccount | null = null) {
  return new AcmeClient({
    directory: authority.url,
    key,
    ask: authority.ask,
    wallMs: () => authority.nowMs,
    email: 'admin@example.org',
    externalAccount,
    account: null,
  });
}

const request: OrderRequest = {
  names: ['example.org', 'www.example.org'],
  keyType: 'ecdsa',
  challenges: ['http-01', 'tls-alpn-01'],
  profile: null,
  replaces: null,
};

/** What was shown, and whether it is hidden again. */
function watched(authority: AcmeAuthority) {
  const shown = new Set<Challenge>();
  const seen: Challenge[] = [];
  return {
    shown,
    seen,
    async show(challenges: readonly Challenge[]) {
      for (const one of challenges) shown.add(one);
      seen.push(...challenges);
      assert.equal(authority.log.includes('POST challenge'), false, 'not before it is shown');
    },
    async hide(challenges: readonly Challenge[]) {
      for (const one of challenges) shown.delete(one);
    },
    sleep: async () => {},
    wallMs: () => authority.nowMs,
  };
}

test('an order shows what proves each name before the authority looks, and hides it afterwards', async () => {
  const authority = new AcmeAuthority();
  const help = watched(authority);
  const issued = await runOrder(clientOf(authority), request, help);
  assert.match(issued.certificatePem, /BEGIN CERTIFICATE/);
  assert.match(issued.keyPem, /BEGIN PRIVATE KEY/);
  assert.deepEqual(
    help.seen.map(({ type, name }) => [type, name]),
    request.names.map((name) => ['http-01', name]),
  );
  const [{ token, keyAuthorization }] = help.seen as [Challenge];
  assert.equal(keyAuthorization, `${token}.${key.thumbprint}`);
  assert.equal(help.shown.size, 0);
});

test('nonces that an authority refuses are replaced, up to a number', async () => {
  const authority = new AcmeAuthority();
  authority.badNonces = 9;
  await runOrder(clientOf(authority), request, watched(authority));
  authority.badNonces = 1_000;
  const failed = runOrder(clientOf(authority), request, watched(authority));
  await assert.rejects(failed, { kind: 'badNonce' });
});

test('a name that the authority cannot see is named, and nothing is shown any more', async () => {
  const authority = new AcmeAuthority();
  authority.unseen.add('www.example.org');
  const help = watched(authority);
  const failed = runOrder(clientOf(authority), request, help);
  await assert.rejects(failed, {
    kind: 'connection',
    message: 'www.example.org: connection refused',
  });
  assert.equal(help.shown.size, 0);
});

test('a wildcard without dns-01 is told before anything is shown', async () => {
  const authority = new AcmeAuthority();
  const order = runOrder(
    clientOf(authority),
    { ...request, names: ['*.example.org'] },
    watched(authority),
  );
  await assert.rejects(order, /\*\.example\.org: it offers dns-01, and we may use http-01, tls-/);
});

test('what an authority says of time is kept: in seconds, and as a date', async () => {
  const authority = new AcmeAuthority();
  for (const [retryAfter, afterMs] of [
    ['120', 120_000],
    [new Date(Math.floor(authority.nowMs / 1000) * 1000 + 60_000).toUTCString(), 60_000],
  ] as const) {
    authority.refusal = { kind: 'rateLimited', detail: 'too many certificates', retryAfter };
    const failed = runOrder(clientOf(authority), request, watched(authority));
    await assert.rejects(failed, (error) => {
      assert.ok(error instanceof AcmeError);
      assert.equal(error.kind, 'rateLimited');
      assert.ok(Math.abs(error.retryAtMs - authority.nowMs - afterMs) < 1_000);
      return true;
    });
  }
});

test('the account has an address, and is bound to one of before where that is wanted', async () => {
  const authority = new AcmeAuthority();
  authority.wantsExternalAccount = true;
  const without = runOrder(clientOf(authority), request, watched(authority));
  await assert.rejects(without, { kind: 'externalAccountRequired' });
  const known = { keyId: 'kid-1', secret: Buffer.alloc(32, 7).toString('base64url') };
  await runOrder(clientOf(authority, known), request, watched(authority));
  const [{ contact, binding }] = authority.accounts as [(typeof authority.accounts)[number]];
  assert.deepEqual(contact, ['mailto:admin@example.org']);
  const { protected: head } = binding as { protected: string };
  const { kid, alg } = JSON.parse(Buffer.from(head, 'base64url').toString());
  assert.deepEqual([kid, alg], ['kid-1', 'HS256']);
});

test('a profile is asked for by its name; of another one those that there are are told', async () => {
  const authority = new AcmeAuthority();
  const ask = (profile: string) =>
    runOrder(clientOf(authority), { ...request, profile }, watched(authority));
  await ask('shortlived');
  assert.equal(authority.orders[0]?.profile, 'shortlived');
  await assert.rejects(ask('fancy'), /no profile fancy; it has: classic, shortlived/);
});
