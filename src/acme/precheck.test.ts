import assert from 'node:assert/strict';
import test from 'node:test';
import { type CaaRecord, precheck } from './precheck.ts';

const issue = (value: string, tag = 'issue', critical = false): CaaRecord => ({
  critical,
  tag,
  value,
});

async function words(
  name: string,
  zone: {
    readonly addresses?: Record<string, string[]>;
    readonly caa?: Record<string, CaaRecord[]>;
  },
  challenges: readonly ('http-01' | 'dns-01')[] = ['http-01'],
): Promise<string[]> {
  const { addresses = { [name]: ['192.0.2.1'] }, caa = {} } = zone;
  const findings = await precheck({
    names: [name],
    challenges,
    identities: ['ca.test'],
    own: ['192.0.2.1'],
    lookUp: {
      addresses: async (one) => addresses[one] ?? [],
      caa: async (one) => caa[one] ?? [],
    },
  });
  return findings.map(({ isHint, words: text }) => `${isHint ? 'hint' : 'stop'}: ${text}`);
}

test('a name that leads elsewhere, or nowhere, is told; with dns-01 alone it may', async () => {
  assert.deepEqual(await words('a.test', {}), []);
  assert.deepEqual(await words('a.test', { addresses: {} }), [
    'hint: a.test has no address in DNS',
  ]);
  const elsewhere = { addresses: { 'a.test': ['198.51.100.7'] } };
  assert.deepEqual(await words('a.test', elsewhere), [
    'hint: a.test leads to 198.51.100.7, which is no address of this machine',
  ]);
  assert.deepEqual(await words('a.test', elsewhere, ['dns-01']), []);
});

test('CAA of the nearest name that has any decides (RFC 8659 §3)', async () => {
  const stop = async (name: string, caa: Record<string, CaaRecord[]>) =>
    (await words(name, { caa })).some((text) => text.startsWith('stop'));
  assert.equal(await stop('www.a.test', { 'a.test': [issue('other.test')] }), true);
  assert.equal(
    await stop('www.a.test', { 'a.test': [issue('CA.test; validationmethods=http-01')] }),
    false,
  );
  const nearer = { 'www.a.test': [issue('ca.test')], 'a.test': [issue('other.test')] };
  assert.equal(await stop('www.a.test', nearer), false);
  assert.equal(await stop('www.a.test', { 'a.test': [issue(';')] }), true);
  assert.equal(await stop('www.a.test', { 'a.test': [issue('mailto:a@b', 'iodef')] }), false);
  assert.equal(await stop('www.a.test', { 'a.test': [issue('x', 'future', true)] }), true);
});

test('for wildcards issuewild comes before issue (RFC 8659 §4.3)', async () => {
  const caa = { 'a.test': [issue('ca.test'), issue('other.test', 'issuewild')] };
  assert.match(
    (await words('*.a.test', { caa }))[0]!,
    /^stop: CAA at a\.test \(issue "ca\.test", /,
  );
  assert.deepEqual(await words('*.a.test', { caa: { 'a.test': [issue('ca.test')] } }), []);
});
