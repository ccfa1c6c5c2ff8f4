import assert from 'node:assert/strict';
import test from 'node:test';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { configuredAuthority } from '../../http/authority.ts';
import { FieldSection } from '../../http/field-section.ts';
import type { RequestHead } from '../../http/message.ts';
import type { RoutingFacts } from '../../routing/request-test.ts';
import { Router } from '../../routing/router.ts';
import { type Diagnostic, diagnosticText } from '../document/diagnostic.ts';
import { readBySchema } from '../document/reader.ts';
import { parseSource } from '../document/source.ts';
import { routeMatch } from '../schema/route-match.ts';
import { CompileContext } from './context.ts';
import { compileMatch } from './route-match.ts';

const directory = temporaryDirectory();

/** The file is the value of `match` alone. */
function compile(text: string) {
  const parsed = parseSource({ file: 'f', text, directory });
  const read = readBySchema(parsed, routeMatch as Parameters<typeof readBySchema>[1]);
  const diagnostics: Diagnostic[] = [];
  const context = new CompileContext({ parsed, diagnostics, warn: () => {}, nowMs: 0 }, []);
  const match = compileMatch(read.value as Parameters<typeof compileMatch>[0], context);
  return { match, mistakes: [...read.diagnostics, ...diagnostics].map(diagnosticText) };
}

interface Asked extends Partial<RoutingFacts> {
  readonly host?: string;
  readonly path?: string;
  readonly upgrade?: string;
  readonly fields?: Record<string, string>;
}

function isTaken(text: string, asked: Asked): boolean {
  const { match, mistakes } = compile(text);
  assert.deepEqual(mistakes, []);
  const router = new Router([{ match, target: {} }]);
  const { host = 'a.example', path = '/', upgrade = '', fields = {}, ...facts } = asked;
  const head: RequestHead = {
    ...{ method: 'GET', version: '1.1', scheme: 'http', path, upgrade },
    authority: configuredAuthority(host),
    fields: FieldSection.of(...Object.entries(fields)),
    contentLength: 0,
    expectContinue: false,
  };
  const found = router.find(head, {
    ...{ remoteAddress: '192.0.2.1', localPort: 443, tls: null },
    ...facts,
  });
  return typeof found === 'object';
}

const tls = { version: 'TLSv1.3', serverName: 'a.example', clientCertificates: [] };
const proved = { ...tls, clientCertificates: [new Uint8Array(1)] };
const xA = (value: string) => ({ fields: { 'x-a': value } });
const cookie = (value: string) => ({ fields: { cookie: value } });

const cases: readonly [path: string, text: string, right: Asked, wrong: Asked][] = [
  ['host-pattern', 'host-pattern: "^[ab]\\\\."', { host: 'B.example' }, { host: 'c.example' }],
  ['ignore-case', 'path-prefix: /A\nignore-case: on', { path: '/a' }, { path: '/b' }],
  ['headers.*', 'headers: {X-A: b*}', xA('bc'), xA('cb')],
  ['headers.*.exact', 'headers: {X-A: {exact: "b*"}}', xA('b*'), xA('bc')],
  ['headers.*.prefix', 'headers: {X-A: {prefix: b}}', xA('bc'), xA('cb')],
  ['headers.*.suffix', 'headers: {X-A: {suffix: b}}', xA('cb'), xA('bc')],
  ['headers.*.contains', 'headers: {X-A: {contains: b}}', xA('abc'), xA('ac')],
  ['headers.*.pattern', 'headers: {X-A: {pattern: "^b+$"}}', xA('bb'), xA('bc')],
  ['headers.*.ignore-case', 'headers: {X-A: {exact: b, ignore-case: on}}', xA('B'), xA('C')],
  ['cookies.*', 'cookies: {session: "*"}', cookie('a=1; session=x'), cookie('a=session')],
  ['query.*', 'query: {a: b}', { path: '/?c&a=b' }, { path: '/?a=bc' }],
  ['ports', 'ports: [8443, 443]', { localPort: 443 }, { localPort: 80 }],
  ['websocket', 'websocket: on', { upgrade: 'websocket' }, {}],
  ['tls.versions', 'tls: {versions: [TLSv1.3]}', { tls }, {}],
  ['tls.server-names', 'tls: {server-names: ["*.example"]}', { tls }, {}],
  ['tls.client-certificate', 'tls: {client-certificate: on}', { tls: proved }, { tls }],
  ['not', 'not: {headers: {X-A: b}}', xA('c'), xA('b')],
  ['not[]', 'not: [{headers: {X-A: b}}, {headers: {X-A: c}}]', xA('d'), xA('c')],
];

for (const [path, text, right, wrong] of cases) {
  test(`the condition ${path} takes what it says, and leaves the rest`, () => {
    assert.ok(isTaken(text, right));
    assert.ok(!isTaken(text, wrong));
  });
}

test('conditions that say nothing, or that nothing can meet, are refused with what to write', () => {
  const mistakes: readonly [text: string, words: RegExp][] = [
    ['headers: {X-A: {}}', /it says no value.*write one of exact, prefix, suffix/s],
    ['headers: {X-A: {prefix: a, suffix: b}}', /both prefix and suffix.*write one of exact/s],
    ['headers: {X-A: {contains: ""}}', /every value has it.*X-A: "\*"/s],
    ['headers: {X-A: {pattern: "(?=a)"}}', /linear time/],
    ['headers: {X-A: "*bot*"}', /at the end only.*contains: PART/s],
    ['headers: {"X A": b}', /nothing is called so/],
    ['cookies: {"a=b": "*"}', /nothing is called so/],
    ['cookies: {session: {is: x}}', /unknown key "is"/],
    ['host-pattern: "(?i)a"', /a pattern has no flags/],
    ['scheme: http\ntls: {versions: [TLSv1.2]}', /no request by http has these.*scheme: https/s],
    ['tls: {versions: [TLSv1.1]}', /no such word/],
    ['tls: {server-names: ["https://a"]}', /no host name/],
    ['not: {}', /every request is so/],
    ['not: [{methods: [post]}]', /not\[0\]\.methods\[0\].*no client sends post/s],
    ['not: {path-prefix: api}', /no path/],
    ['not: {not: {methods: [POST]}}', /unknown key "not"/],
    ['ports: [0]', /from 1 to 65535/],
  ];
  for (const [text, words] of mistakes)
    assert.match(compile(text).mistakes.join('\n'), words, text);
});
