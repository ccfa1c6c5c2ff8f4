/**
 * Hostile texts at the keys of a configuration that take text: `sluice check` refuses each with its line
 * and a remedy, or one sluice that has all of those that it accepts survives requests and health checks.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { UsageError } from '../../src/base/errors.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import type { Message } from '../support/messages.ts';
import { startRawOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { inParallel, until } from '../support/waiting.ts';

const LONG = 12_000;
/** Each text is tried at every third place, and each place has every third text, unless SLUICE_LONG=1. */
const STRIDE = process.env.SLUICE_LONG === '1' ? 1 : 3;

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: variables of the configuration
const TEXTS: readonly string[] = [
  ...['a\r\nX-Injected: b', '/a HTTP/1.1\r\nX-Injected: 1\r\n', 'a\nb', '\r', 'a\0b', 'a\x1b[31mb'],
  ...['a\tb', '\x7f', '\x85', '\u2028', '\u202e'],
  ...['b\u00fccher', '\u043a\u043b\u044e\u0447', '\u65e5\u672c', '\u010d\u010aX-Injected: 1'],
  ...['\u{1f600}', '\ud800', '\u212a', '\uff45'],
  ...['', ' ', ' a', 'a ', 'a b', '\u00a0', '/a b'],
  ...['a'.repeat(LONG), '/a'.repeat(LONG / 2), 'a.'.repeat(LONG / 2)],
  ...['${unknown}', '${header:}', '${header:x y}', '${', '${}', '$1$9$&', '${host}', '${query}'],
  ...['/', '//', '/../../etc/passwd', '/%00', '/%zz', '/a#b', '/a?b', '*', '..', '\\a'],
  ...['http://a.test/', 'http://u:p@a.test', 'file:///etc/passwd', '//evil.test', 'javascript:1'],
  ...['a:b:c', '[::1%lo]', '%zz', 'a:99999', '[', 'a..b', ':80', 'a@b', '*.a', '127.1'],
  ...['__proto__', 'constructor', '(redacted)', 'Content-Length', 'host'],
];
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: as above

type Part = { route?: object; origin?: object };

const PLACES: Record<string, (text: string, origin: string) => Part> = {
  'rewrite.host': (host) => ({ route: { rewrite: { host } } }),
  'rewrite.replace.with': (text) => ({
    route: { rewrite: { replace: { pattern: '^/(.*)$', with: text } } },
  }),
  'rewrite.add-prefix': (text) => ({ route: { rewrite: { 'add-prefix': text } } }),
  'rewrite.strip-prefix': (text) => ({ route: { rewrite: { 'strip-prefix': text } } }),
  'rewrite.query-set': (text) => ({ route: { rewrite: { 'query-set': { a: text } } } }),
  'rewrite.query-set, a name': (text) => ({ route: { rewrite: { 'query-set': { [text]: 'a' } } } }),
  'request-headers.set': (text) => ({ route: { 'request-headers': { set: { 'x-a': text } } } }),
  'request-headers.add, a name': (text) => ({
    route: { 'request-headers': { add: { [text]: 'a' } } },
  }),
  'request-headers.remove': (text) => ({ route: { 'request-headers': { remove: [text] } } }),
  'response-headers.add': (text) => ({ route: { 'response-headers': { add: { 'x-a': text } } } }),
  'response-headers.set, a name': (text) => ({
    route: { 'response-headers': { set: { [text]: 'a' } } },
  }),
  'respond.body': (body) => ({ route: { respond: { status: 200, body } } }),
  'respond.headers': (text) => ({ route: { respond: { status: 200, headers: { 'x-a': text } } } }),
  'redirect.to': (to) => ({ route: { redirect: { to } } }),
  'access.paths': (text) => ({ route: { access: [{ deny: 'all', paths: [text] }] } }),
  'match.path-prefix': (text) => ({ route: { match: { 'path-prefix': text } } }),
  'match.headers': (text) => ({ route: { match: { headers: { 'x-a': text } } } }),
  'health-check.host': (host) => ({
    origin: { 'health-check': { host, path: '/probe', interval: '1s' } },
  }),
  'health-check.path': (path) => ({ origin: { 'health-check': { path, interval: '1s' } } }),
  'servers, a path': (text, origin) => ({ origin: { servers: [`${origin}/${text}`] } }),
  'tls.server-name': (name) => ({
    origin: { servers: ['https://127.0.0.1:1'], tls: { 'server-name': name } },
  }),
};

const directory = temporaryDirectory();

function configuration(parts: readonly Part[], origin: string): string {
  const origins = parts.map((part, i) => [`o${i}`, { servers: [origin], ...part.origin }]);
  const routes = parts.map(({ route = {} }, i) => {
    const answers = 'respond' in route || 'redirect' in route;
    const { match = {}, ...rest } = route as { match?: object };
    const hosts = [`r${i}.test`];
    return { match: { hosts, ...match }, ...(answers ? {} : { origin: `o${i}` }), ...rest };
  });
  const all = { origins: Object.fromEntries(origins), routes };
  return JSON.stringify(all, null, 1);
}

/** Whether it is accepted. What is refused is refused with places and remedies. */
async function isAccepted(part: Part, origin: string, what: string): Promise<boolean> {
  try {
    await loadConfiguration({
      source: { file: 'sluice.yaml', text: configuration([part], origin), directory },
      flags: new Map(),
      command: 'run',
      isCheck: true,
      nowMs: Date.now(),
      stateDirectory: directory,
      demoOrigin: null,
      warn() {},
    });
    return true;
  } catch (error) {
    assert.ok(error instanceof UsageError, `${what}: ${error}`);
    assert.ok(error.diagnostics.length > 0, `${what}: a place (${error.message})`);
    for (const { line, problem, remedy } of error.diagnostics) {
      assert.ok(line > 1 && problem.length > 3 && remedy.length > 3, `${what}: ${problem}`);
    }
    return false;
  }
}

function assertOneRequest(message: Message): void {
  assert.match(
    message.start,
    /^(?:GET|HEAD) [\x21-\xff]+ HTTP\/1\.1$/,
    message.start.slice(0, 200),
  );
  for (const [name, value] of message.fields.lines) {
    assert.match(name, /^[!#$%&'*+.^_`|~0-9a-z-]+$/i, JSON.stringify(name));
    assert.notEqual(name, 'x-injected');
    assert.doesNotMatch(value, /[\x00-\x08\x0a-\x1f\x7f]/, JSON.stringify(value.slice(0, 200)));
  }
}

test('a text at any key is refused with line and remedy, or harms nobody', async () => {
  await using origin = await startRawOrigin((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 2\r\n\r\nok');
  });
  const accepted: Part[] = [];
  let refused = 0;
  for (const [i, [place, make]] of Object.entries(PLACES).entries()) {
    for (const [j, text] of TEXTS.entries()) {
      if ((i + j) % STRIDE !== 0) continue;
      const part = make(text, origin.url);
      const what = `${place}: ${JSON.stringify(text).slice(0, 60)}`;
      if (await isAccepted(part, origin.url, what)) accepted.push(part);
      else refused++;
    }
  }
  assert.ok(
    refused >= 200 / STRIDE && accepted.length >= 60 / STRIDE,
    `${refused} refused of ${accepted.length}`,
  );

  const file = join(temporaryDirectory(), 'sluice.yaml');
  writeFileSync(file, configuration(accepted, origin.url));
  await using sluice = await startSluice({ workers: 2, flags: ['--config', file] });
  const pids = await sluice.workerPids();
  await inParallel(accepted.length, 4, async (i) => {
    for (const path of ['/', '/a?b=c']) {
      using connection = await RawConnection.open(sluice.httpPort);
      connection.send(`GET ${path} HTTP/1.1\r\nHost: r${i}.test\r\nX-A: a\r\n\r\n`);
      const { status } = await connection.response();
      assert.ok(status >= 200 && status !== 500, `${status} for ${JSON.stringify(accepted[i])}`);
    }
  });
  const isProbe = ({ start }: Message) => start.startsWith('GET /probe ');
  await until(() => origin.seen.some(isProbe), 'a health check');
  for (const message of origin.seen) assertOneRequest(message);
  assert.ok(sluice.isRunning, sluice.output);
  assert.deepEqual(await sluice.workerPids(), pids, sluice.output);
});
