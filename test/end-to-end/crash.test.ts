import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { Incident } from '../../src/triage/incident.ts';
import { incidentFileName } from '../../src/triage/incident-name.ts';
import { dangerFlags, dangerModule, RETRIED_GROUPS, shakeHands } from '../support/danger.ts';
import { incidentsIn } from '../support/incidents.ts';
import { startOrigin } from '../support/origins.ts';
import { run } from '../support/programs.ts';
import { certificateFile, type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const COOKIE = 'session=5f2d8c1e-of-a-user';
const OBSERVER = 'danger-group-in-callback';

const origin = await startOrigin((_request, response) => response.end('ok'));
test.after(() => origin[Symbol.asyncDispose]());

/** Waits until so many incidents of a kind are there: they are written after the replacement. */
function incidents(directory: string, kind: Incident['kind'], count: number): Promise<Incident[]> {
  return until(() => {
    const found = incidentsIn(directory).filter((one) => one.kind === kind);
    return found.length >= count && found;
  }, `${count} incidents of kind ${kind}`);
}

async function rollbacks(
  sluice: RunningSluice,
): Promise<{ rollbacks: { name: string; state: string }[] }> {
  const answer = await fetch(`http://127.0.0.1:${sluice.adminPort}/features`);
  return (await answer.json()) as { rollbacks: { name: string; state: string }[] };
}

/** Requests one after the other on kept connections, until it is stopped. */
class Load implements AsyncDisposable {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8, rejectUnauthorized: false });
  readonly #lanes: Promise<void>[] = [];
  #isOver = false;
  answered = 0;
  readonly failures: string[] = [];

  constructor(port: number) {
    for (let lane = 0; lane < 8; lane++) this.#lanes.push(this.#lane(port));
  }

  async #lane(port: number): Promise<void> {
    while (!this.#isOver) {
      const failure = await this.#ask(port);
      if (failure === '') this.answered++;
      else this.failures.push(failure);
    }
  }

  #ask(port: number): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    const headers = { host: 'localhost', cookie: COOKIE };
    const where = { host: '127.0.0.1', port, servername: 'localhost', path: '/', headers };
    request({ ...where, agent: this.#agent }, (response) => {
      response.on('error', (error) => resolve(String(error)));
      response.on('end', () => resolve(response.statusCode === 200 ? '' : 'status')).resume();
    })
      .on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? String(error)))
      .end();
    return promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#lanes);
    this.#agent.destroy();
  }
}

test('an observer that crashes workers is found and switched off while traffic goes on', async () => {
  const directory = join(temporaryDirectory(), 'incidents');
  const flags = [...dangerFlags(OBSERVER), '--incident-dir', directory];
  await using sluice = await startSluice({ origin: origin.url, workers: 3, flags });
  await using load = new Load(sluice.httpsPort);
  await until(() => load.answered > 50, 'load');
  let deaths = 0;
  while (!sluice.output.includes(`${OBSERVER} is disabled`)) {
    assert.ok(deaths < 8, sluice.output);
    const before = sluice.output;
    const outcome = await shakeHands(sluice.httpsPort, { groups: RETRIED_GROUPS });
    if (outcome === 'TLSv1.3') continue;
    deaths++;
    await until(() => sluice.output !== before, 'a death to be noticed');
  }
  // Within the workers that live, too, and not only in those that are started now.
  for (let i = 0; i < 12; i++) {
    await until(
      async () => (await shakeHands(sluice.httpsPort, { groups: RETRIED_GROUPS })) === 'TLSv1.3',
      'a HelloRetryRequest to be survived',
    );
  }
  const settled = load.answered;
  await until(() => load.answered > settled + 50, 'load to go on');
  await load.stop();
  const found = await incidents(directory, 'crash', 3);
  // One that dies on a connection from before the change has the feature off already.
  assert.ok(found.filter(({ features }) => features[OBSERVER] === true).length >= 3);
  for (const { signature, suspect, death, connections } of found) {
    assert.equal(signature, `crash/SIGSEGV/SSL_read_early_data/${OBSERVER}`);
    assert.deepEqual([suspect?.call, suspect?.observer], ['SSL_read_early_data', OBSERVER]);
    assert.equal(death?.signal, 'SIGSEGV');
    const guilty = connections.find(({ id }) => id === suspect?.connection);
    assert.equal(guilty?.outcome, 'open');
    assert.equal(guilty?.events[0]?.type, 'received');
    assert.match(guilty?.clientHello?.ja4 ?? '', /^t13d/);
  }
  const { rollbacks: blown } = await rollbacks(sluice);
  assert.deepEqual(
    blown.map(({ name }) => name),
    [OBSERVER],
    'that one and no other',
  );
  // A death breaks what it was serving, and nothing else: at most all lanes, each time.
  assert.ok(load.failures.length <= 8 * found.length, load.failures.join());
  for (const failure of load.failures) assert.match(failure, /ECONNRESET|EPIPE|socket hang up/);
  await isWithoutSecrets(directory);
  await isSeenByCommands(sluice, directory);
});

async function isWithoutSecrets(directory: string): Promise<void> {
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  const pem = readFileSync(certificateFile(), 'latin1');
  const key = /-----BEGIN PRIVATE KEY-----\n([\s\S]*?)\n-----END/.exec(pem)![1]!;
  for (const name of readdirSync(directory)) {
    assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name);
    if (!incidentFileName.test(name)) continue;
    const text = gunzipSync(readFileSync(join(directory, name))).toString();
    const bytes = [...text.matchAll(/"bytes": "([^"]*)"/g)].map((match) => match[1]!);
    const all = text + bytes.map((one) => Buffer.from(one, 'base64').toString('latin1')).join('');
    for (const line of key.split('\n')) assert.ok(!all.includes(line), 'no private key');
    assert.ok(!all.includes(COOKIE), 'no cookie');
    assert.ok(!all.includes('PRIVATE KEY'), 'no private key');
  }
}

async function command(...words: readonly string[]): Promise<string> {
  const { code, text, stderr } = await run(process.execPath, ['bin/sluice.js', ...words]);
  assert.equal(code, 0, stderr);
  return text;
}

async function reload({ adminPort }: RunningSluice): Promise<void> {
  await command('reload', '--canary', '100ms', '--admin', `127.0.0.1:${adminPort}`);
}

async function isSeenByCommands(sluice: RunningSluice, directory: string): Promise<void> {
  const admin = ['--admin', `127.0.0.1:${sluice.adminPort}`];
  const listed = await command('incidents', 'list', '--incident-dir', directory);
  const crashes = incidentsIn(directory).filter(({ kind }) => kind === 'crash');
  assert.equal(listed.match(/crash\/SIGSEGV/g)?.length, crashes.length);
  const [newest] = /\S+-crash-\d+\.json\.gz/.exec(listed)!;
  assert.match(await command('incidents', 'show', newest), /in observer danger-group-in-callback/);
  assert.match(
    await command('features', 'list', ...admin),
    /danger-group-in-callback +disabled automatically \(incident \d{8}T\d{9}Z-crash-\d+; checking/,
  );
  assert.match(await command('features', 'reset', ...admin), /no feature is disabled/);
}

test('a worker that hangs is ended and replaced, and its incident says where it stands', async () => {
  const directory = join(temporaryDirectory(), 'incidents');
  // On a busy machine a worker stands still for a second by itself.
  const flags = [...dangerFlags('danger-hang'), '--watchdog', '2s', '--debugger', 'off'];
  flags.push('--incident-dir', directory);
  await using sluice = await startSluice({ origin: origin.url, workers: 2, flags });
  await shakeHands(sluice.httpsPort, { servername: 'hang.test' });
  const [incident] = await incidents(directory, 'hang', 1);
  assert.equal(incident!.suspect?.observer, 'danger-hang');
  assert.ok(incident!.death!.silentMs! >= 2_000);
  assert.equal(
    incident!.connections.find(({ id }) => id === incident!.suspect!.connection)?.serverName,
    'hang.test',
  );
  await until(
    async () => (await sluice.sum('sluice_workers_running')) === 2,
    'the worker to be replaced',
  );
});

test('a fault in the middle of a request: its incident names the request, and what threw', async () => {
  const directory = join(temporaryDirectory(), 'incidents');
  await using planting = await startOrigin((incoming, response) => {
    const [, fault = ''] = /^\/plant\/([a-z]+)/.exec(incoming.url!) ?? [];
    if (fault !== '') response.setHeader('X-Planted', fault);
    response.end('ok');
  });
  const module = fileURLToPath(new URL('../proofs/response-danger.ts', import.meta.url));
  const flags = ['--danger-module', module, '--watchdog', '2s', '--debugger', 'off'];
  flags.push('--incident-dir', directory);
  // The module alters one of the program's: both must be Node's own loader's.
  const environment = { NODE_OPTIONS: '--import=data:text/javascript,' };
  const settings = { origin: planting.url, workers: 2, flags, environment };
  await using sluice = await startSluice(settings);
  const plant = async (fault: string, kind: Incident['kind']): Promise<Incident> => {
    const headers = { cookie: COOKIE, 'x-secret': COOKIE, 'accept-language': 'de' };
    const target = `${sluice.httpUrl}/plant/${fault}?token=${COOKIE}`;
    // A plain GET is asked once more, which costs the second worker, too.
    await fetch(target, { method: 'POST', body: 'x', headers }).catch(() => {});
    return (await incidents(directory, kind, 1))[0]!;
  };
  const threw = await plant('throws', 'exit');
  assert.match(threw.signature, /^exit\/RangeError\/ForwardedRequest\.onOriginResponse \(/);
  const { exception } = threw;
  assert.equal(exception?.message, 'planted: redis://(redacted)@cache.example is too far');
  assert.ok(exception.frames.some((frame) => /\(proxy\/forwarded-request\.ts:\d+\)$/.test(frame)));
  assert.ok(exception.fields.includes('accept-language: de'));
  assert.ok(exception.fields.includes(`cookie: (${COOKIE.length} bytes)`));
  const died = await plant('dies', 'crash');
  assert.equal(died.signature, 'crash/SIGSEGV/request in response/no observer');
  const hung = await plant('hangs', 'hang');
  assert.equal(hung.signature, 'hang/event loop/request in response/no observer');
  for (const [incident, fault] of [
    [threw, 'throws'],
    [died, 'dies'],
    [hung, 'hangs'],
  ] as const) {
    const request = incident.requests?.find(({ number }) => number === incident.suspect?.request);
    assert.equal(request?.method, 'POST');
    assert.equal(request.path, `/plant/${fault}?`, 'a query may hold secrets');
    assert.equal(request.authority, new URL(sluice.httpUrl).host);
  }
  const [newest] = readdirSync(directory).filter((name) => name.includes('-exit-'));
  const shown = await command('incidents', 'show', join(directory, newest!));
  assert.match(shown, /> request \d+ in response: POST http:\S+\/plant\/throws\? HTTP\/1\.1/);
  assert.match(shown, /exception RangeError: planted/);
  await isWithoutSecrets(directory);
});

test('a sluice of one process that crashes finds out at its next start', async () => {
  const directory = join(temporaryDirectory(), 'incidents');
  const flags = [...dangerFlags(OBSERVER), '--incident-dir', directory];
  const settings = { origin: origin.url, workers: 1, flags };
  for (const start of [1, 2, 3]) {
    await using sluice = await startSluice(settings);
    await incidents(directory, 'crash', start - 1);
    await shakeHands(sluice.httpsPort, { groups: RETRIED_GROUPS });
    assert.equal(await sluice.end(), 'SIGSEGV');
  }
  await using sluice = await startSluice(settings);
  const found = await incidents(directory, 'crash', 3);
  assert.equal(found[0]!.suspect?.observer, OBSERVER);
  assert.equal(found[0]!.configuration.digest, found[1]!.configuration.digest);
  // The third crash was one too many: this start is without the observer.
  assert.equal(await shakeHands(sluice.httpsPort, { groups: RETRIED_GROUPS }), 'TLSv1.3');
  assert.equal(await sluice.stop(), 0);
  const left = readdirSync(directory).filter((name) => name.startsWith('recording'));
  assert.deepEqual(left, [], 'nothing is found when it has ended in order');
});

test('an incident has the values of the file, without its secrets and comments', async () => {
  const [file, directory] = [join(temporaryDirectory(), 'sluice.yaml'), temporaryDirectory()];
  const write = (comment: string, drain: string) =>
    writeFileSync(
      file,
      `# ${comment}
drain-timeout: ${drain}
origins: { app: { servers: [{ url: "${origin.url}" }] } }
routes:
  - origin: app
    request-headers:
      set:
        Authorization: Bearer s3cr3t-of-the-origin
features: { ${OBSERVER}: on }
danger-module: ${JSON.stringify(dangerModule)}
incidents: { directory: ${JSON.stringify(directory)} }
`,
    );
  write('as first written', '5s');
  await using sluice = await startSluice({ workers: 2, flags: ['--config', file] });
  const crash = async (count: number) => {
    await shakeHands(sluice.httpsPort, { groups: RETRIED_GROUPS });
    const { configuration } = (await incidents(directory, 'crash', count)).at(-1)!;
    return configuration.text ?? '';
  };
  const first = await crash(1);
  assert.match(first, /^drain-timeout: 5s$/m);
  assert.doesNotMatch(first, /first written/, 'a comment may hold what was a secret');
  assert.doesNotMatch(first, /s3cr3t/);
  assert.match(first, /Authorization: "?\(redacted\)"?/);
  write('as written later', '6s');
  await reload(sluice);
  assert.match(await crash(2), /^drain-timeout: 6s$/m);
});
