import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { runSluice } from '../cli/sluice-process.ts';
import { startOrigin } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const origin = await startOrigin((_request, response) => response.end('ok'));
const token = 'c0ffee'.repeat(6);
const tokenFile = join(temporaryDirectory(), 'token');
writeFileSync(tokenFile, `${token}\n`);
const sluice = await startSluice({ origin: origin.url, workers: 2 });
const guarded = await startSluice({
  origin: origin.url,
  flags: ['--admin-token-file', tokenFile],
});
after(async () => {
  await sluice[Symbol.asyncDispose]();
  await guarded[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

const command = (...words: string[]) =>
  runSluice([...words, '--admin', `127.0.0.1:${sluice.adminPort}`]);

test('status says whether it serves, and how its workers do', async () => {
  const { code, stdout } = await command('status');
  assert.equal(code, 0);
  assert.match(stdout, /^sluice \S+ {2}running {2}pid \d+ {2}up \d+ s\n/);
  assert.equal(stdout.match(/worker \d {2}running {2}pid \d+/g)?.length, 2);
  const { workers } = JSON.parse((await command('status', '--json')).stdout);
  assert.equal(workers.length, 2);
});

test('metrics prints what Prometheus reads, or JSON', async () => {
  assert.match((await command('metrics')).stdout, /^# HELP sluice_requests_total /m);
  const metrics = JSON.parse((await command('metrics', '--json')).stdout);
  assert.ok(Array.isArray(metrics.sluice_requests_total));
});

test('top draws one picture when its output is no terminal', async () => {
  await fetch(sluice.httpUrl);
  const { code, stdout } = await command('top');
  assert.equal(code, 0);
  assert.match(stdout, /^requests .*\/s/m);
  assert.match(stdout, /● default\//);
});

test('config shows what is in force, without keys', async () => {
  const url = `http://127.0.0.1:${sluice.adminPort}/config`;
  const text = await (await fetch(url)).text();
  assert.match(text, /"workers":2/);
  assert.match(text, /"keyPem":"\(hidden\)"/);
  assert.doesNotMatch(text, /PRIVATE KEY/);
});

test('every change is written to the operator’s log', async () => {
  await command('reload', '--trial', '0s');
  assert.match(sluice.output, /admin: POST \/reload: 200/);
});

const ask = (path: string, authorization?: string) =>
  fetch(`http://127.0.0.1:${guarded.adminPort}${path}`, {
    headers: authorization === undefined ? {} : { authorization },
  });

test('a token guards the endpoint on TCP, but for health and metrics', async () => {
  for (const path of ['/healthz', '/metrics']) assert.equal((await ask(path)).status, 200);
  for (const path of ['/stats', '/config', '/cache', '/nowhere', '/metrics/../stats']) {
    assert.equal((await ask(path)).status, 401, path);
    assert.equal((await ask(path, `Bearer ${token}x`)).status, 401, path);
  }
  assert.equal((await ask('/stats', `Bearer ${token}`)).status, 200);
  const words = ['status', '--admin', `127.0.0.1:${guarded.adminPort}`];
  const refused = await runSluice(words);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /SLUICE_ADMIN_TOKEN_FILE/);
  const environment = { SLUICE_ADMIN_TOKEN_FILE: tokenFile };
  assert.equal((await runSluice(words, { environment })).code, 0);
});

test('drain ends it in order', async () => {
  await using short = await startSluice({ origin: origin.url, workers: 2 });
  const { code } = await runSluice(['drain', '--admin', `127.0.0.1:${short.adminPort}`]);
  assert.equal(code, 0);
  assert.equal(await short.end(), 0);
});

test('bash completes commands and flags', { skip: unlessInstalled('bash') }, async () => {
  const { stdout } = await runSluice(['completion', 'bash']);
  const complete = (...words: string[]) => {
    const asked = `COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; _sluice`;
    const script = `${stdout}\n${asked}; echo "\${COMPREPLY[@]}"`;
    return spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout.trim();
  };
  assert.equal(complete('sluice', 'rel'), 'reload');
  assert.match(complete('sluice', 'run', '--early'), /^--early-data/);
  const { code, stderr } = await runSluice(['completion', 'tcsh']);
  assert.equal(code, 2);
  assert.match(stderr, /write one of bash, zsh, fish/);
});
