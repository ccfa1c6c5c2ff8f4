import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../../test/support/fast-check.ts';
import { FieldSection } from '../../http/field-section.ts';
import { type ClientField, hopsOf } from './forwarded-chain.ts';

const isTrusted = (address: string) => address.startsWith('10.') || address === 'fd00::1';

function chain(field: ClientField, ...values: string[]): string[] {
  const fields = FieldSection.of(...values.map((value) => [field, value] as const));
  const { hops } = hopsOf(field, fields, isTrusted);
  return hops.map(({ address, port }) => (port === 0 ? address : `${address} ${port}`));
}

test('the client is the last address that is no trusted proxy’s', () => {
  const cases: [string[], string[]][] = [
    [['192.0.2.1'], ['192.0.2.1']],
    [['6.6.6.6, 192.0.2.1'], ['192.0.2.1']],
    [['6.6.6.6, 192.0.2.1, 10.0.0.1'], ['192.0.2.1', '10.0.0.1']],
    [
      ['6.6.6.6', '192.0.2.1', '10.0.0.1, 10.0.0.2'],
      ['192.0.2.1', '10.0.0.1', '10.0.0.2'],
    ],
    // All are trusted: the first one asks on its own account.
    [['10.0.0.1, 10.0.0.2'], ['10.0.0.1', '10.0.0.2']],
    [['[2001:DB8::1]:443, fd00::1'], ['2001:db8::1 443', 'fd00::1']],
    [['2001:db8::1'], ['2001:db8::1']],
    [['192.0.2.1:8080'], ['192.0.2.1 8080']],
    [['::ffff:192.0.2.1'], ['192.0.2.1']],
    [['::ffff:10.0.0.1'], ['10.0.0.1']],
    [[], []],
    [[''], []],
    [['unknown'], []],
    [['192.0.2.1, unknown'], []],
    [['192.0.2.1, _hidden, 10.0.0.1'], ['10.0.0.1']],
    [['fe80::1%eth0'], []],
    [['0x7f.1'], []],
    [['127.1'], []],
    [['192.0.2.1,'], []],
  ];
  for (const [values, hops] of cases) {
    assert.deepEqual(chain('x-forwarded-for', ...values), hops, values.join(' | '));
  }
});

test('Forwarded is read by RFC 7239, whatever stands before what a trusted proxy has written', () => {
  const cases: [string, string[]][] = [
    ['for=192.0.2.1', ['192.0.2.1']],
    ['for=6.6.6.6, For="192.0.2.1:80";proto=https;by=10.0.0.9', ['192.0.2.1 80']],
    ['for=192.0.2.1;host="a,b", for=10.0.0.1', ['192.0.2.1', '10.0.0.1']],
    ['proto=https; for="[2001:DB8::1]:443"', ['2001:db8::1 443']],
    ['for="open, for=192.0.2.1', ['192.0.2.1']],
    ['for="\\", for="[2001:db8::1]"', ['2001:db8::1']],
    ['for="6.6.6.6\\"", for=192.0.2.1', ['192.0.2.1']],
    ['for=unknown', []],
    ['host=a', []],
    ['for="192.0.2.1', []],
  ];
  for (const [value, hops] of cases) assert.deepEqual(chain('forwarded', value), hops, value);
});

test('scheme and host are those that stand beside the client', () => {
  const told = (field: ClientField, ...lines: [string, string][]) => {
    const { scheme, host } = hopsOf(field, FieldSection.of(...lines), isTrusted);
    return [scheme, host];
  };
  const element = 'for=6.6.6.6;proto=http;host=evil, for=192.0.2.1;proto=HTTPS;host="a.test:1"';
  assert.deepEqual(told('forwarded', ['forwarded', element]), ['https', 'a.test:1']);
  const xff = (proto: string): [string, string][] => [
    ['x-forwarded-for', '192.0.2.1'],
    ['x-forwarded-proto', proto],
    ['x-forwarded-host', 'evil, a.test'],
  ];
  assert.deepEqual(told('x-forwarded-for', ...xff('http, https')), ['https', 'a.test']);
  assert.deepEqual(told('x-forwarded-for', ...xff('gopher')), ['', 'a.test']);
});

test('whatever a client has sent before, what trusted proxies add reads the same', () => {
  const before = fc.string({ unit: fc.constantFrom(...'"\\,;= for10.[]:x_'), maxLength: 40 });
  fc.assert(
    fc.property(before, (text) => {
      const xff = ['192.0.2.1', '10.0.0.1'];
      assert.deepEqual(chain('x-forwarded-for', `${text}, 192.0.2.1, 10.0.0.1`), xff);
      assert.deepEqual(chain('forwarded', `${text}, for=192.0.2.1, for="10.0.0.1"`), xff);
    }),
  );
});

test('no chain is longer than is looked at', () => {
  const hops = chain('x-forwarded-for', `192.0.2.1${', 10.0.0.1'.repeat(5_000)}`);
  assert.equal(hops.length, 32);
});
