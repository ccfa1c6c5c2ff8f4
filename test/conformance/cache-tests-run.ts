/** Runs http-cache-tests through a proxy: the package's origin and client, with a fetch of our own. */
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { registerHooks } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { EditionName } from './cache-tests-package.ts';

export type Kind = 'required' | 'optimal' | 'check';

export interface CaseResult {
  readonly id: string;
  readonly suite: string;
  readonly name: string;
  readonly kind: Kind;
  /** '' when it passed; else what the package says, or which case it depends on failed. */
  readonly failure: string;
}

interface Case {
  readonly id: string;
  readonly name: string;
  readonly kind?: Kind;
  readonly browser_only?: boolean;
  readonly depends_on?: readonly string[];
}

interface Suite {
  readonly name: string;
  readonly tests: readonly Case[];
}

type Outcome = true | readonly [kind: string, message: string];

type Handle = (segments: string[], request: IncomingMessage, response: ServerResponse) => void;

export interface CacheTestsOrigin extends AsyncDisposable {
  readonly url: string;
}

/** Where an edition is unpacked. */
export interface Edition {
  readonly name: EditionName;
  readonly directory: string;
}

function importFrom<T>({ directory }: Edition, ...path: string[]): Promise<T> {
  return import(pathToFileURL(join(directory, ...path)).href) as Promise<T>;
}

const engineOf = ({ name }: Edition) => (name === 'current' ? 'test-engine' : '.');

/** The edition's origin, on a loopback port. */
export async function startCacheTestsOrigin(edition: Edition): Promise<CacheTestsOrigin> {
  const handles: Record<string, Handle> = {};
  for (const name of ['config', 'test', 'state']) {
    const words = [engineOf(edition), 'server', `handle-${name}.mjs`];
    handles[name] = (await importFrom<{ default: Handle }>(edition, ...words)).default;
  }
  const server = http.createServer((request, response) => {
    const [, name, ...segments] = new URL(request.url!, 'http://origin').pathname.split('/');
    const handle = handles[name ?? ''];
    if (handle === undefined) response.writeHead(404).end();
    else handle(segments, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** More than there are: all cases run side by side, so that their pauses of 3 s overlap. */
const AT_ONCE = 1_000;

interface Runner {
  runTests(...words: unknown[]): Promise<void>;
  getResults(): Record<string, Outcome>;
}

interface CaseRunner {
  makeCacheTest(one: Case): Promise<void>;
  readonly testResults: Record<string, Outcome>;
}

/**
 * Runs every case through the proxy at `proxyUrl`; once per process, as the engine has it. Those that
 * fail and are not `expected` to are run again: cases count seconds, and all of them at once keep a
 * slow machine busy for some.
 */
export async function runCacheTests(
  edition: Edition,
  proxyUrl: string,
  expected: readonly string[],
): Promise<CaseResult[]> {
  const index = await importFrom<{ default: Suite[] }>(edition, 'tests', 'index.mjs');
  const runner = await importFrom<Runner>(edition, engineOf(edition), 'client', 'runner.mjs');
  const suites = index.default;
  const runAgain = () => runFailedAgain(edition, suites, expected);
  if (edition.name === 'published') {
    await runner.runTests(suites, fetchOnce, false, proxyUrl, AT_ONCE);
    await runAgain();
  } else {
    await withOwnFetch(() => runner.runTests(suites, false, proxyUrl, AT_ONCE).then(runAgain));
  }
  return judge(suites, runner.getResults());
}

async function runFailedAgain(
  edition: Edition,
  suites: readonly Suite[],
  expected: readonly string[],
): Promise<void> {
  const words = [engineOf(edition), 'client', 'test.mjs'];
  const { makeCacheTest, testResults } = await importFrom<CaseRunner>(edition, ...words);
  for (let round = 0; round < 2; round++) {
    const again = suites
      .flatMap(({ tests }) => tests)
      .filter(({ id, kind }) => kind !== 'check' && !expected.includes(id))
      .filter(({ id }) => Array.isArray(testResults[id]));
    if (again.length === 0) return;
    for (const { id } of again) delete testResults[id];
    await Promise.all(again.map(makeCacheTest));
  }
}

/** The current edition uses the global fetch, and Undici's to see interim responses. */
async function withOwnFetch(body: () => Promise<void>): Promise<void> {
  const source = 'export class Agent { compose(interceptor) { return { interceptor }; } }';
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'undici'
        ? { url: `data:text/javascript,${encodeURIComponent(source)}`, shortCircuit: true }
        : next(specifier, context),
  });
  const { fetch } = globalThis;
  globalThis.fetch = fetchOnce as unknown as typeof fetch;
  try {
    await body();
  } finally {
    globalThis.fetch = fetch;
    hooks.deregister();
  }
}

function judge(suites: readonly Suite[], outcomes: Record<string, Outcome>): CaseResult[] {
  const cases = new Map(suites.flatMap((suite) => suite.tests.map((one) => [one.id, one])));
  const failureOf = (id: string): string => {
    const outcome = outcomes[id];
    // A case that restricts what a cache may do holds for one that does not do it at all.
    const failed = cases
      .get(id)
      ?.depends_on?.find((other) => cases.get(other)?.kind !== 'check' && failureOf(other) !== '');
    if (failed !== undefined) return `depends on ${failed}`;
    if (outcome === undefined) return 'was not run';
    return outcome === true ? '' : `${outcome[0]}: ${outcome[1]}`;
  };
  return suites.flatMap((suite) =>
    suite.tests
      .filter((one) => one.browser_only !== true)
      .map(({ id, name, kind = 'required' }) => {
        return { id, suite: suite.name, name, kind, failure: failureOf(id) };
      }),
  );
}

interface Init {
  readonly method?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string;
  readonly dispatcher?: { readonly interceptor: Interceptor };
}

/** As Undici has it: from a dispatch function to another. */
type Interceptor = (
  dispatch: (options: object, handler: InterimHandler) => InterimHandler,
) => (options: object, handler: object) => InterimHandler;

interface InterimHandler {
  onResponseStart(controller: null, status: number, headers: object): void;
}

const RESPONSE_TIMEOUT_MS = 20_000;

/**
 * As much of the Fetch API as the package uses. Node's own joins, adds and forbids fields; this one
 * sends what it is told, on a connection of its own, and follows no redirection.
 */
function fetchOnce(url: string, init: Init = {}) {
  const { method = 'GET', headers = [], body, dispatcher } = init;
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const options = { method, agent: false, timeout: RESPONSE_TIMEOUT_MS } as const;
  const request = http.request(url, options, resolve);
  const lines = new Map<string, string[]>();
  for (const [name, value] of headers) lines.set(name, [...(lines.get(name) ?? []), value]);
  for (const [name, values] of lines)
    request.setHeader(name, values.length === 1 ? values[0]! : values);
  const onInterim = dispatcher?.interceptor((_options, handler) => handler)({}, {});
  request.on('information', ({ statusCode, headers: fields }) => {
    onInterim?.onResponseStart(null, statusCode, fields);
  });
  request.on('error', reject);
  request.on('timeout', () => request.destroy(new Error('no response')));
  request.end(body);
  return promise.then(async (response) => {
    const text = Buffer.concat(await response.toArray()).toString();
    const fields = new Headers();
    for (let i = 0; i < response.rawHeaders.length; i += 2) {
      fields.append(response.rawHeaders[i]!, response.rawHeaders[i + 1]!);
    }
    return {
      status: response.statusCode,
      statusText: response.statusMessage,
      headers: fields,
      text: async () => text,
    };
  });
}
