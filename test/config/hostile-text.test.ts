/** No text that a configuration takes can end a worker: what is accepted can be put into a head. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { UsageError } from '../../src/base/errors.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import type { SluiceOptions } from '../../src/config/options.ts';
import { parseAuthority } from '../../src/http/authority.ts';
import type { RequestFacts } from '../../src/http/exchange.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import { isFieldValue, isOriginForm, isToken } from '../../src/http/made-text.ts';
import type { RequestHead } from '../../src/http/message.ts';
import { fieldLines } from '../../src/http1/serialize.ts';
import { ClaimedNames } from '../../src/routing/claimed-names.ts';
import { compileRules } from '../../src/routing/rules.ts';
import { checkHead } from '../../src/upstream/probe.ts';
import fc from '../support/fast-check.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const directory = temporaryDirectory();

/** Where a text of the operator's gets into a head. */
const PLACES: Record<string, (text: string) => { route?: object; origin?: object }> = {
  'rewrite.host': (host) => ({ route: { rewrite: { host } } }),
  'rewrite.replace.with': (text) => ({
    route: { rewrite: { replace: { pattern: '^/a(.*)$', with: text } } },
  }),
  'rewrite.add-prefix': (text) => ({ route: { rewrite: { 'add-prefix': text } } }),
  'rewrite.strip-prefix': (text) => ({ route: { rewrite: { 'strip-prefix': text } } }),
  'rewrite.query-set, a value': (text) => ({ route: { rewrite: { 'query-set': { a: text } } } }),
  'rewrite.query-set, a name': (text) => ({ route: { rewrite: { 'query-set': { [text]: 'a' } } } }),
  'request-headers.set, a value': (text) => ({
    route: { 'request-headers': { set: { a: text } } },
  }),
  'request-headers.set, a name': (text) => ({
    route: { 'request-headers': { set: { [text]: 'a' } } },
  }),
  'request-headers.add': (text) => ({ route: { 'request-headers': { add: { a: text } } } }),
  'response-headers.set': (text) => ({ route: { 'response-headers': { set: { a: text } } } }),
  'response-headers.add, a name': (text) => ({
    route: { 'response-headers': { add: { [text]: 'a' } } },
  }),
  'respond.headers, a value': (text) => ({
    route: { respond: { status: 200, headers: { a: text } } },
  }),
  'respond.headers, a name': (text) => ({
    route: { respond: { status: 200, headers: { [text]: 'a' } } },
  }),
  'respond.body': (text) => ({ route: { respond: { status: 200, body: text } } }),
  'redirect.to': (to) => ({ route: { redirect: { to } } }),
  'health-check.host': (host) => ({ origin: { 'health-check': { host, path: '/' } } }),
  'health-check.path': (path) => ({ origin: { 'health-check': { path } } }),
  'tls.server-name': (name) => ({ origin: { tls: { 'server-name': name } } }),
  servers: (text) => ({ origin: { servers: [`https://o.test/${text}`] } }),
};

async function load(place: string, text: string): Promise<SluiceOptions | null> {
  const { route = {}, origin = {} } = PLACES[place]!(text);
  const answers = 'respond' in route || 'redirect' in route;
  const file = {
    listeners: [{ address: '127.0.0.1:0', protocol: 'http' }],
    origins: { app: { servers: ['https://o.test'], ...origin } },
    routes: [{ ...(answers ? {} : { origin: 'app' }), ...route }, { origin: 'app' }],
  };
  try {
    const source = { file: 'sluice.yaml', text: JSON.stringify(file), directory };
    const { options } = await loadConfiguration({
      source,
      flags: new Map(),
      command: 'run',
      isCheck: true,
      nowMs: Date.now(),
      stateDirectory: directory,
      demoOrigin: null,
      warn() {},
    });
    return options;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return null;
  }
}

const claims = new ClaimedNames([]);
const facts = {
  early: false,
  remoteAddress: '192.0.2.1',
  peerAddress: '192.0.2.1',
  remotePort: 1,
  tls: null,
} as RequestFacts;

function requestFor(path: string): RequestHead {
  return {
    method: 'GET',
    version: '1.1',
    scheme: 'https',
    authority: parseAuthority('a.test')!,
    path,
    fields: FieldSection.of(['x-odd', 'b\xfccher'], ['cookie', 'a=1']),
    contentLength: 0,
    expectContinue: false,
    upgrade: '',
  };
}

function checkFields(fields: FieldSection): void {
  // The assertion that a worker would fail.
  fieldLines(fields);
  for (const [name, value] of fields) {
    assert.ok(isToken(name), JSON.stringify(name));
    assert.ok(isFieldValue(value), JSON.stringify(value));
  }
}

/** Does with the options what a worker does with requests and checks. */
function use({ routes, origins }: SluiceOptions): void {
  for (const { healthCheck, pathPrefix, tls } of origins) {
    assert.ok(pathPrefix === '' || isOriginForm(pathPrefix), pathPrefix);
    assert.match(tls.serverName, /^[\x21-\x7e]*$/);
    if (healthCheck === null) continue;
    const { path, fields } = checkHead(healthCheck, 'o.test');
    assert.ok(path === '' || isOriginForm(path), path);
    checkFields(fields);
  }
  for (const options of routes) {
    const rules = compileRules({
      options,
      keySuffix: '',
      limiter: null,
      origin: { authority: 'o', pathPrefix: '' },
      claims,
    });
    for (const path of ['/', '/a', '/ab%20c?d=\xe9&e', `/${'a/'.repeat(50)}`]) {
      const head = requestFor(path);
      const { rewrite, requestEdits, responseEdits, gate } = rules;
      if (rewrite !== null) {
        assert.ok(isOriginForm(rewrite.target(head)), rewrite.target(head));
        const host = rewrite.authority(head, 'o.test').text;
        assert.ok(parseAuthority(host) !== null, host);
      }
      requestEdits?.apply(head.fields, { head, facts });
      checkFields(head.fields);
      const response = FieldSection.of(['location', `/x${path}`]);
      responseEdits?.apply(response, { head, facts: null });
      checkFields(response);
      const entrance = gate?.enter(head, facts, 0, 'Thu, 01 Jan 1970 00:00:00 GMT') ?? null;
      if (entrance?.kind === 'answered') checkFields(entrance.response.fields);
    }
  }
}

const hostile = fc.oneof(
  fc.string({
    unit: fc.constantFrom('\r', '\n', '\0', ' ', '\t', '/', ':', '#', '?', 'a', '%'),
    maxLength: 8,
  }),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.constantFrom(
    'a\u010d\u010aX: y',
    '\ud800',
    '/\ud800',
    'a b',
    'a\r\nX: y',
    '/b HTTP/1.1\r\nX: y',
  ),
  fc.constantFrom(
    '${host}',
    '${header:x-odd}',
    '${server-name}',
    "/$1$&$'$`",
    'a:b:c',
    '/b c',
    '/bücher',
  ),
);

for (const place of Object.keys(PLACES)) {
  test(`no text at ${place} ends a worker`, async () => {
    await fc.assert(
      fc.asyncProperty(hostile, fc.boolean(), async (text, withSlash) => {
        const options = await load(place, withSlash ? `/${text}` : text);
        if (options !== null) use(options);
      }),
      { numRuns: 80 },
    );
  });
}

test('what is right is taken', async () => {
  const right: [string, string][] = [
    ['rewrite.host', 'b.test:8080'],
    ['rewrite.host', '${origin}'],
    ['rewrite.replace.with', '/b$1?x=%20'],
    ['rewrite.add-prefix', '/api/v1'],
    ['request-headers.set, a value', 'a ${host} ${header:x-odd}'],
    ['respond.body', 'Grüße\n'],
    ['health-check.host', 'o.test'],
    ['tls.server-name', 'app_1.internal'],
  ];
  for (const [place, text] of right) {
    const options = await load(place, text);
    assert.ok(options !== null, `${place}: ${text}`);
    use(options);
  }
});
