// Invariant: a secret of the configuration is in nothing that a running sluice shows, logs or writes.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { gunzipSync } from 'node:zlib';
import { allKeys } from '../../src/config/keys.ts';
import { configurationSchema } from '../../src/config/schema/configuration.ts';
import { isSecret } from '../../src/config/secrets.ts';
import { runSluice } from '../cli/sluice-process.ts';
import { incidentsIn } from '../support/incidents.ts';
import { startOrigin } from '../support/origins.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const PAGES = [
  ...[
    '/config',
    '/overview',
    '/stats',
    '/metrics',
    '/incidents',
    '/features',
    '/triage',
    '/reload',
    '/origins',
  ],
  ...['/log?limit=1000', '/log/levels', '/traffic', '/cache', '/healthz', '/readyz', '/dashboard'],
  ...['/handshakes/failures', '/handshakes/observers'],
];

/** Random ones, each with the place where it was put. */
class Secrets {
  readonly places = new Map<string, string>();

  at(place: string): string {
    const secret = randomBytes(12).toString('hex');
    this.places.set(secret, place);
    return secret;
  }

  assertNoneIn(where: string, text: string): void {
    for (const [secret, place] of this.places) {
      assert.ok(!text.includes(secret), `${where} has the secret at ${place}`);
    }
  }
}

/** A secret wherever the schema says that there may be one. */
function configurationWith(secrets: Secrets, originUrl: string): object {
  const keys = allKeys({ path: '', schema: configurationSchema }).filter(({ schema }) =>
    isSecret([schema]),
  );
  const routes: object[] = [];
  for (const { path } of keys) {
    if (!path.startsWith('routes[].')) continue;
    const value = `Bearer ${secrets.at(path)}`;
    const inner = path
      .slice('routes[].'.length)
      .split('.')
      .reverse()
      .reduce<unknown>((below, part) => ({ [part === '*' ? 'x-key' : part]: below }), value);
    const { respond, ...route } = inner as Record<string, object>;
    const action =
      respond === undefined ? { origin: 'app' } : { respond: { status: 200, ...respond } };
    routes.push({
      ...route,
      match: { 'path-prefix': `/${routes.length}`, ...route.match },
      ...action,
    });
  }
  assert.ok(routes.length >= 7, 'the schema tells the secrets of routes');
  routes.push({ origin: 'app' });
  return {
    origins: { app: { servers: [{ url: originUrl }] } },
    // Nobody is there: that is told, with the address.
    cluster: { redis: `redis://user:${secrets.at('cluster.redis')}@127.0.0.1:1/0` },
    'auto-disable': { webhook: `http://127.0.0.1:1/${secrets.at('auto-disable.webhook')}` },
    routes,
  };
}

/** All that is in the files of a directory, unpacked where they are packed. */
function filesBelow(directory: string): [file: string, text: string][] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((file) => statSync(file).isFile())
    .map((file) => [file, unpacked(readFileSync(file))]);
}

function unpacked(bytes: Buffer): string {
  const isPacked = bytes.subarray(0, 2).equals(GZIP);
  return (isPacked ? gunzipSync(bytes) : bytes).toString('latin1');
}

const GZIP = Buffer.from([0x1f, 0x8b]);

test('secrets of a configuration are in no page, log, file or command of a sluice', async () => {
  const secrets = new Secrets();
  const directory = temporaryDirectory();
  const [config, next, token] = ['sluice.yaml', 'next.yaml', 'token'].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  const written = join(directory, 'written');
  for (const name of ['state', 'incidents', 'log'])
    mkdirSync(join(written, name), { recursive: true });
  const environment = {
    XDG_STATE_HOME: join(written, 'state'),
    SLUICE_ADMIN_TOKEN_FILE: token,
  };
  writeFileSync(token, secrets.at('admin.token-file'));
  await using origin = await startOrigin((_request, response) => response.end('ok'));
  writeFileSync(config, JSON.stringify(configurationWith(secrets, origin.url)));
  writeFileSync(next, JSON.stringify(configurationWith(secrets, origin.url)));

  const flags = ['--config', config, '--admin-token-file', token, '--debugger', 'off'];
  flags.push('--log-level', 'debug', '--error-log', join(written, 'log', 'error.log'));
  flags.push('--incident-dir', join(written, 'incidents'));
  await using sluice = await startSluice({ workers: 2, flags, environment });
  const headers = { authorization: `Bearer ${readFileSync(token, 'utf8')}` };
  const command = async (...words: string[]): Promise<string> => {
    const { stdout, stderr } = await runSluice(words, { environment });
    secrets.assertNoneIn(`sluice ${words.join(' ')}`, stdout + stderr);
    return stdout + stderr;
  };
  const admin = ['--admin', `127.0.0.1:${sluice.adminPort}`];
  const look = async () => {
    for (const path of PAGES) {
      const answer = await fetch(`http://127.0.0.1:${sluice.adminPort}${path}`, { headers });
      const text = await answer.text();
      assert.notEqual(answer.status, 401, path);
      secrets.assertNoneIn(path, text);
      if (path === '/config') assert.match(text, /x-key/);
    }
  };

  await look();
  // Another configuration, one that is refused, and a webhook that is not reached.
  writeFileSync(config, readFileSync(next));
  const reload = await command('reload', ...admin, '--canary', '100ms');
  assert.match(reload, /applied on all 2 workers|changed/);
  await command('features', 'disable', 'early-data', ...admin);
  const wrong = JSON.stringify({
    routes: [{ 'request-headers': { set: [secrets.at('a list')] } }],
  });
  writeFileSync(config, wrong);
  assert.match(await command('reload', ...admin), /refused/);
  assert.match(await command('check', config), /mistake/);
  writeFileSync(config, readFileSync(next));

  const { workers } = await sluice.stats(headers);
  process.kill(workers[0]!.pid!, 'SIGSEGV');
  const incident = await until(
    () => incidentsIn(join(written, 'incidents'))[0],
    'an incident file',
  );
  assert.match(JSON.stringify(incident.configuration), /x-key/);
  await look();
  await command(
    'incidents',
    'show',
    '--json',
    '--incident-dir',
    join(written, 'incidents'),
    fileIn(written),
  );
  assert.match(await command('status', '--json', ...admin), /"workers"/);
  assert.match(await command('log', '--limit', '1000', ...admin), /died/);
  writeFileSync(config, JSON.stringify(configurationWith(secrets, origin.url)));
  assert.match(await command('config', 'diff', config, next), /x-key/);
  assert.match(await command('config', 'diff', '--json', config, next), /x-key/);
  assert.match(await command('check', '--json', config), /"ok": true/);
  await sluice.stop();
  secrets.assertNoneIn('what sluice prints', sluice.output);
  const files = filesBelow(written);
  const log = readFileSync(join(written, 'log', 'error.log'), 'utf8');
  for (const told of ['SIGSEGV', 'webhook', '127.0.0.1:1']) assert.ok(log.includes(told), log);
  for (const [file, text] of files) secrets.assertNoneIn(file, text);
});

function fileIn(written: string): string {
  const directory = join(written, 'incidents');
  return join(directory, readdirSync(directory)[0]!);
}
