// Invariant: however a name is written, the guard of TLS hosts and the router read the same host.
import assert from 'node:assert/strict';
import test from 'node:test';
import { cacheKey } from '../../src/cache/rules/key.ts';
import { HostPolicies } from '../../src/downstream/host-guard.ts';
import { type Authority, parseAuthority } from '../../src/http/authority.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import type { RequestHead } from '../../src/http/message.ts';
import { matchEverything } from '../../src/routing/route.ts';
import { Router } from '../../src/routing/router.ts';
import { type HostTlsOptions, plainHost } from '../../src/tls/host-options.ts';
import fc from '../support/fast-check.ts';

const RUNS = 3_000;

function requestFor(authority: Authority): RequestHead {
  const common = { method: 'GET', version: '1.1', scheme: 'https', path: '/' } as const;
  const rest = { contentLength: 0, expectContinue: false, upgrade: '' };
  return { ...common, ...rest, authority, fields: new FieldSection() };
}

const labels = fc.constantFrom('open', 'secret', 'a', 'b', 'x-1', '_s');
const hosts = fc
  .array(labels, { minLength: 1, maxLength: 3 })
  .map((parts) => [...parts, 'example'].join('.'));
const patterns = fc.tuple(fc.boolean(), hosts).map(([any, host]) => (any ? `*.${host}` : host));

/** Written apart from the code under test: what some server, somewhere, takes for the name. */
const spellings: Record<string, (host: string, at: number) => string> = {
  'as it is': (host) => host,
  'in capitals': (host) => host.toUpperCase(),
  'one capital': (host, at) => host.slice(0, at) + host.slice(at).replace(/[a-z]/, capital),
  'with its final dot': (host) => `${host}.`,
  'with two': (host) => `${host}..`,
  'with a port': (host) => `${host}:443`,
  'with another': (host) => `${host}:8443`,
  'with an empty port': (host) => `${host}:`,
  'with zeros before the port': (host) => `${host}:00443`,
  'with dot and port': (host) => `${host}.:443`,
  'with two ports': (host) => `${host}:1:443`,
  'with two colons': (host) => `${host}::443`,
  'with a word for a port': (host) => `${host}:https`,
  'with a port beyond all': (host) => `${host}:65979`,
  'percent-encoded': (host, at) => encodedAt(host, at),
  'percent-encoded twice': (host, at) => encodedAt(host, at).replace('%', '%25'),
  'the dot percent-encoded': (host) => host.replace('.', '%2e'),
  'a percent-encoded final dot': (host) => `${host}%2E`,
  'with a user': (host) => `open.example@${host}`,
  'before a user': (host) => `${host}@open.example`,
  'in a list': (host) => `open.example, ${host}`,
  'with a NUL': (host) => `${host}\0open.example`,
  'with a blank': (host) => ` ${host}`,
  'with a slash': (host) => `${host}/`,
  'with a backslash': (host) => `${host}\\`,
  'with two dots inside': (host) => host.replace('.', '..'),
  'in full width': (host) => host.replace('e', '\uff45'),
  'with an ideographic dot': (host) => host.replace('.', '\u3002'),
  'in UTF-8': (host) => host.replace('e', '\xef\xbd\x85'),
  'in brackets': (host) => `[${host}]`,
  'with a zone': (host) => `${host}%25lo`,
};
const spelling = fc.constantFrom(...Object.keys(spellings));

const capital = (letter: string) => letter.toUpperCase();

function encodedAt(host: string, at: number): string {
  const code = host.charCodeAt(at % host.length).toString(16);
  return `${host.slice(0, at % host.length)}%${code}${host.slice((at % host.length) + 1)}`;
}

/** Written apart: the name that a reader who decodes and folds all that it can ends up with. */
function lenientName(text: string): string {
  let name = text.normalize('NFKC');
  for (let i = 0; i < 2; i++) {
    name = name.replace(/%([0-9a-f]{2})/gi, (_, digits) =>
      String.fromCharCode(Number.parseInt(digits, 16)),
    );
  }
  const end = name.search(/[:/\\\0]/);
  return (end === -1 ? name : name.slice(0, end)).toLowerCase().replace(/\.+$/, '').trim();
}

test('what is read at all is read as whoever folds most would read it', () => {
  const sameName = fc.property(hosts, spelling, fc.nat(40), (host, how, at) => {
    const written = spellings[how]!(host, at);
    const read = parseAuthority(written);
    if (read !== null) assert.equal(read.host, lenientName(written), `${how}: ${written}`);
  });
  fc.assert(sameName, { numRuns: RUNS });
});

const required = { mode: 'required', authoritiesPem: 'PEM' } as const;
const tlsHost: fc.Arbitrary<HostTlsOptions> = fc
  .record({
    names: fc.uniqueArray(patterns, { minLength: 1, maxLength: 3 }),
    isSecret: fc.boolean(),
    isStrict: fc.boolean(),
    takesEarlyData: fc.boolean(),
  })
  .map(({ names, isSecret, isStrict, takesEarlyData }) => ({
    ...plainHost,
    certificates: [],
    names,
    minVersion: isStrict ? 'TLSv1.3' : 'TLSv1.2',
    clientCertificates: isSecret ? required : plainHost.clientCertificates,
    earlyData: { ...plainHost.earlyData, enabled: takesEarlyData },
  }));

/** Written apart from the matcher: the TLS host whose name it is, an exact one first. */
function ownHost(all: readonly HostTlsOptions[], host: string): number {
  const wild = `*.${host.slice(host.indexOf('.') + 1)}`;
  const exact = all.findIndex(({ names }) => names.includes(host));
  return exact !== -1 ? exact : all.findIndex(({ names }) => names.includes(wild));
}

const setUps = fc.record({
  hosts: fc.array(tlsHost, { minLength: 1, maxLength: 4 }),
  routes: fc.array(fc.uniqueArray(patterns, { minLength: 1, maxLength: 3 }), { maxLength: 4 }),
});

/** Does what a connection has shown suffice for a host? */
function suffices(shown: HostTlsOptions, asked: HostTlsOptions): boolean {
  const isKnown = asked.clientCertificates.mode === 'off' || shown.clientCertificates === required;
  return isKnown && shown.minVersion >= asked.minVersion;
}

test('no request takes a route of a host under weaker demands than that host’s', () => {
  const guarded = fc.property(
    setUps,
    hosts,
    spelling,
    fc.nat(40),
    fc.nat(3),
    fc.boolean(),
    (setUp, host, how, at, connection, early) => {
      const authority = parseAuthority(spellings[how]!(host, at));
      if (authority === null) return;
      const from = connection % setUp.hosts.length;
      const policies = new HostPolicies(setUp.hosts, setUp.routes);
      const router = new Router(
        setUp.routes.map((names) => ({
          match: { ...matchEverything, hosts: names },
          target: { names },
        })),
      );
      const found = router.find(requestFor(authority), {
        remoteAddress: '192.0.2.1',
        localPort: 443,
        tls: null,
      });
      const refusal = policies.refusal(from, authority, early);
      if (refusal !== null) return;
      const own = ownHost(setUp.hosts, authority.host);
      const owners =
        own !== -1
          ? [own]
          : [...setUp.hosts.keys()].filter((index) => {
              const { names } = setUp.hosts[index]!;
              // Of the names that the route is for and the host has: one that both have is theirs.
              const isShared = typeof found !== 'string' && sharesName(found.names, names);
              return index === 0 || isShared;
            });
      for (const owner of owners) {
        const asked = setUp.hosts[owner]!;
        assert.ok(suffices(setUp.hosts[from]!, asked), `${authority.host} reached ${owner}`);
        assert.ok(!early || owner === from || asked.earlyData.enabled, `early to ${owner}`);
      }
      const isWithoutTls = policies.refusalWithoutTls(authority) === null;
      const isSecret = owners.some((owner) => setUp.hosts[owner]!.clientCertificates === required);
      assert.ok(!isWithoutTls || !isSecret, `${authority.host} reached without TLS`);
    },
  );
  fc.assert(guarded, { numRuns: 2 * RUNS });
});

/** By trying every host of two labels more than the suffix: written apart from the matcher. */
function sharesName(some: readonly string[], others: readonly string[]): boolean {
  const namesOf = (pattern: string) =>
    pattern.startsWith('*.')
      ? ['open', 'secret', 'a', 'b', 'x-1', '_s'].map((label) => label + pattern.slice(1))
      : [pattern];
  const all = new Set(some.flatMap(namesOf));
  return others.flatMap(namesOf).some((name) => all.has(name));
}

test('two spellings of one name are one route, one judge and one cache key, or refused', () => {
  const oneAnswer = fc.property(setUps, hosts, spelling, fc.nat(40), (setUp, host, how, at) => {
    const authority = parseAuthority(spellings[how]!(host, at));
    const plain = parseAuthority(host)!;
    if (authority === null || authority.host !== plain.host) return;
    const policies = new HostPolicies(setUp.hosts, setUp.routes);
    assert.deepEqual(policies.hostsFor(authority), policies.hostsFor(plain));
    const isDefault = authority.port === -1 || authority.port === 443;
    const isOneKey = cacheKey(requestFor(authority)) === cacheKey(requestFor(plain));
    assert.equal(isOneKey, isDefault);
    const router = new Router(
      setUp.routes.map((names) => ({
        match: { ...matchEverything, hosts: names },
        target: { names },
      })),
    );
    const routeOf = (one: Authority) =>
      router.find(requestFor(one), { remoteAddress: '', localPort: 443, tls: null });
    assert.equal(routeOf(authority), routeOf(plain));
  });
  fc.assert(oneAnswer, { numRuns: RUNS });
});
