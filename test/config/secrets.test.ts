// Invariant: a secret in a key that the schema calls secret is in nothing that sluice shows.
import assert from 'node:assert/strict';
import test from 'node:test';
import { stringify } from 'yaml';
import { UsageError } from '../../src/base/errors.ts';
import { diffConfigurations } from '../../src/config/difference.ts';
import { allKeys, type KeyInfo } from '../../src/config/keys.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { configurationSchema } from '../../src/config/schema/configuration.ts';
import { isSecret, textWithoutSecrets } from '../../src/config/secrets.ts';
import { trafficRoutes } from '../../src/supervisor/admin/traffic-routes.ts';
import { optionChanges } from '../../src/supervisor/option-changes.ts';
import { incidentConfiguration } from '../../src/triage/redaction.ts';
import fc from '../support/fast-check.ts';

const secretKeys = allKeys({ path: '', schema: configurationSchema }).filter(({ schema }) =>
  isSecret([schema]),
);

const source = (text: string) => ({ file: 'sluice.yaml', text, directory: '/' });

const load = async (text: string) =>
  (
    await loadConfiguration({
      source: source(text),
      flags: new Map(),
      command: 'run',
      isCheck: true,
      nowMs: 0,
      stateDirectory: '/nowhere',
      demoOrigin: null,
      warn() {},
    })
  ).options;

/** A value of the key that is right, and has the secret in it. */
function valueFor({ schema }: KeyInfo, secret: string): string {
  const kinds = [schema, ...(schema.anyOf ?? [])].map((one) => one['x-kind']);
  if (kinds.includes('redis-or-off')) return `redis://user:${secret}@127.0.0.1:1/0`;
  return kinds.includes('url-or-off') ? `https://hooks.example/${secret}` : `Bearer ${secret}`;
}

/** A configuration with one value at the key. */
function configurationWith(path: string, value: string): Record<string, unknown> {
  const parts = path.split('.').reverse();
  const inner = parts.reduce<unknown>((below, part) => {
    const name = part === '*' ? '123' : part.replace('[]', '');
    return { [name]: part.endsWith('[]') ? [below] : below };
  }, value) as Record<string, unknown>;
  const [route] = (inner.routes as Record<string, unknown>[] | undefined) ?? [];
  const answer = (route?.respond ?? null) as object | null;
  const action = answer === null ? { origin: 'a' } : { respond: { status: 200, ...answer } };
  const routes = route === undefined ? [{ origin: 'a' }] : [{ ...route, ...action }];
  const account = (inner.acme as Record<string, object> | undefined)?.['external-account'];
  if (account !== undefined) Object.assign(account, { 'key-id': 'kid-1' });
  const [group] = Object.values((inner.origins ?? {}) as Record<string, { handler?: object }>);
  // A module that is there.
  if (group?.handler !== undefined) Object.assign(group.handler, { file: import.meta.filename });
  const a = { servers: [{ url: 'http://127.0.0.1:1' }] };
  return { ...inner, origins: { a, ...(inner.origins as object | undefined) }, routes };
}

/** The same values, written in ways that a reader of lines would not see through. */
function spellings(value: Record<string, unknown>, secret: string): string[] {
  const block = stringify(value, { defaultStringType: 'BLOCK_LITERAL', lineWidth: 0 });
  return [
    JSON.stringify(value),
    stringify(value),
    stringify(value, { collectionStyle: 'flow', lineWidth: 20 }),
    stringify(value, { defaultStringType: 'QUOTE_SINGLE' }),
    `# formerly ${secret}\n${stringify(value)}# and ${secret}\n`,
    block,
  ];
}

/** All that is shown of two configurations, one after the other. */
async function shownOf(before: string, after: string): Promise<Record<string, string>> {
  const [options, next] = [await load(before), await load(after)];
  const config = trafficRoutes({ regions: () => [], options: () => options, end() {} });
  const route = config.find((one) => one.path === '/config');
  const request = { path: '/config', query: new URLSearchParams(), body: {} };
  return {
    'the text of an incident': textWithoutSecrets(before, configurationSchema)!,
    'the options of an incident': JSON.stringify(incidentConfiguration(options)),
    '/config': JSON.stringify(await route!.get!(request)),
    'the changes of a reload': JSON.stringify(optionChanges(options, next)),
    'sluice config diff': JSON.stringify(
      diffConfigurations(source(before), source(after), configurationSchema),
    ),
  };
}

test('there are secrets in the schema: headers, parameters, URLs', () => {
  const paths = secretKeys.map(({ path }) => path);
  for (const path of [
    'routes[].request-headers.set.*',
    'routes[].request-headers.add.*',
    'routes[].response-headers.set.*',
    'routes[].rewrite.query-set.*',
    'routes[].match.headers.*',
    'routes[].respond.headers.*',
    'origins.*.handler.env.*',
    'cluster.redis',
    'auto-disable.webhook',
  ]) {
    assert.ok(paths.includes(path), path);
  }
});

const anySecret = fc.stringMatching(/^[A-Za-z0-9@/:!._-]{9,24}[A-Za-z0-9]$/);
/** In a URL, what ends a password by its grammar is not in it. */
const urlSecret = fc.stringMatching(/^[A-Za-z0-9@!._-]{9,24}[A-Za-z0-9]$/);

for (const key of secretKeys) {
  test(`a secret in ${key.path} is shown nowhere`, async () => {
    const secret = valueFor(key, '').startsWith('redis') ? urlSecret : anySecret;
    await fc.assert(
      fc.asyncProperty(secret, secret, async (one, other) => {
        const values = [one, other].map((text) => valueFor(key, text));
        const [before, after] = values.map((value) => configurationWith(key.path, value));
        const writtenAfter = stringify(after);
        for (const text of spellings(before!, one)) {
          for (const [where, shown] of Object.entries(await shownOf(text, writtenAfter))) {
            assert.ok(!shown.includes(one), `${where} has it: ${shown}`);
            assert.ok(!shown.includes(other), `${where} has the next one`);
          }
        }
      }),
      { numRuns: 15 },
    );
  });

  test(`a mistake in ${key.path} does not repeat the secret`, async () => {
    const secrets = ['hunter2hunter2', 'pa@ss/w:ord#9'];
    for (const one of secrets) {
      // No URL, no header value, no variable, no word.
      for (const value of [`redi://:${one}@h`, `${one}\n${one}`, `\${${one}}`, [one], { a: one }]) {
        const text = JSON.stringify(configurationWith(key.path, value as string));
        try {
          await load(text);
        } catch (error) {
          assert.ok(error instanceof UsageError, String(error));
          const told = JSON.stringify([error.message, error.remedy, error.diagnostics]);
          assert.ok(!told.includes(one), told);
        }
      }
    }
  });
}

test('what a reference repeats is a secret wherever it stands, and passwords of any URL are', () => {
  const text = `
origins: {a: {servers: [{url: "http://127.0.0.1:1"}]}}
routes:
  - {name: &key Bearer-hunter2hunter2, request-headers: {set: {Authorization: *key}}, origin: a}
  - {redirect: {to: "https://user:p@ss/w0rd@host/x"}}
`;
  const shown = textWithoutSecrets(text, configurationSchema)!;
  assert.doesNotMatch(shown, /hunter2|w0rd|p@ss/);
  assert.match(shown, /https:\/\/\(redacted\)@host\/x/);
  assert.match(shown, /url: http:\/\/127\.0\.0\.1:1/, 'what is no secret is kept');
});
