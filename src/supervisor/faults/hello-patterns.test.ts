import assert from 'node:assert/strict';
import test from 'node:test';
import { extension, helloMessage, inRecords } from '../../../test/support/client-hello.ts';
import { parseClientHello } from '../../tls/client-hello.ts';
import { HelloGuard } from '../../tls/refusal/hello-guard.ts';
import { patternWords, traitsOf } from '../../tls/refusal/hello-traits.ts';
import { defaultRefusalLimits } from './hello-blocklist.ts';
import { HelloPatterns } from './hello-patterns.ts';

const settings = { deathsMax: 3, windowMs: 60_000 };
const SIGNATURE = 'crash/SIGSEGV/SSL_do_handshake/no observer';

interface Client {
  readonly name: string;
  readonly alpn?: readonly string[];
  readonly groups?: readonly number[];
  readonly isPermuted?: boolean;
}

/** The first flight of a program, which it sends to any name. */
function flight({ name, alpn = ['h2', 'http/1.1'], groups = [0x1d, 0x17], isPermuted }: Client) {
  const extensions = [
    extension.serverName(name),
    extension.versions(0x0304, 0x0303),
    extension.groups(...groups),
    extension.keyShares(0x1d),
    extension.alpn(...alpn),
    extension.schemes(0x0403, 0x0804),
  ];
  if (isPermuted === true) extensions.reverse();
  return inRecords(helloMessage({ cipherSuites: [0x1301, 0x1302], extensions }));
}

const traits = (client: Client) => traitsOf(parseClientHello(flight(client))!);

/** Dies of each, and tells which are refused in the end. */
function refusals(killers: readonly Client[], honest: readonly Client[]) {
  const patterns = new HelloPatterns(settings);
  for (const killer of killers) {
    patterns.died(SIGNATURE, traits(killer), () => honest.map(traits), 1_000);
  }
  const guard = new HelloGuard();
  guard.replace(patterns.list(1_000));
  return (client: Client) => guard.refuses(flight(client));
}

const boom = { name: 'boom.test' };

test('a program is refused for the name that kills, and served under every other', () => {
  const honest = [{ name: 'shop.test' }, { name: 'blog.test' }];
  const refuses = refusals(new Array(5).fill(boom), honest);
  assert.ok(refuses(boom));
  for (const client of honest) assert.ok(!refuses(client), client.name);
  assert.ok(!refuses({ ...boom, groups: [0x17] }), 'another program under that name');
});

test('another protocol each time, another order or another group does not evade it', () => {
  const random = (seed: number) => ({ ...boom, alpn: [`x${seed}-${seed * 7_919}`, 'h2'] });
  const killers = [1, 2, 3, 4, 5].map(random);
  const refuses = refusals(killers, [{ name: 'shop.test' }]);
  for (let seed = 6; seed < 30; seed++) assert.ok(refuses(random(seed)), `${seed}`);
  assert.ok(refuses({ ...random(30), isPermuted: true }));
  const others = [...killers, { ...random(6), groups: [0x18, 0x1d] }];
  assert.ok(refusals(others, [{ name: 'shop.test' }])({ ...random(31), groups: [0x1e, 0x1d] }));
});

test('what honest clients send as well is never refused', () => {
  const refuses = refusals(new Array(8).fill(boom), [{ name: 'shop.test' }, boom]);
  assert.ok(!refuses(boom));
  const patterns = new HelloPatterns(settings);
  const verdicts = Array.from({ length: 5 }, () =>
    patterns.died(SIGNATURE, traits(boom), () => [traits(boom)], 1_000),
  );
  assert.deepEqual(
    verdicts.map(({ kind }) => kind),
    ['few', 'few', 'few', 'few', 'honest'],
  );
});

test('who gets past a pattern makes it wider with one death, and honest ones end that', () => {
  const patterns = new HelloPatterns(settings);
  const honest = () => [traits({ name: 'shop.test' })];
  for (let death = 0; death < 5; death++) patterns.died(SIGNATURE, traits(boom), honest, 1_000);
  const other = { ...boom, alpn: ['spdy'] };
  const wider = patterns.died(SIGNATURE, traits(other), honest, 2_000);
  assert.equal(wider.kind, 'refused');
  const guard = new HelloGuard();
  guard.replace(patterns.list(2_000));
  assert.deepEqual([guard.refuses(flight(boom)), guard.refuses(flight(other))], [true, true]);
  const same = patterns.died(SIGNATURE, traits({ name: 'shop.test' }), honest, 3_000);
  assert.equal(same.kind, 'honest', 'a fault of every client is none of a few');
  assert.deepEqual(patterns.list(3_000), []);
});

test('it is short, told by its name, and forgotten on request; deaths far apart refuse nobody', () => {
  const patterns = new HelloPatterns(settings);
  for (let death = 0; death < 5; death++) patterns.died(SIGNATURE, traits(boom), () => [], 0);
  const [pattern] = patterns.list(0);
  assert.match(patternWords(pattern!), /server name boom\.test, \d+ more traits/);
  assert.deepEqual(patterns.list(defaultRefusalLimits.refusedMs), []);
  patterns.clear();
  for (let death = 0; death < 20; death++) {
    const verdict = patterns.died(SIGNATURE, traits(boom), () => [], 100_000 + death * 30_000);
    assert.equal(verdict.kind, 'few');
  }
});
