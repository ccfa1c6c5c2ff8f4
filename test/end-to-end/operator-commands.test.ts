import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { commandArguments } from '../../src/cli/command-flags.ts';
import { commands } from '../../src/cli/commands.ts';
import { launcher, runSluice } from '../cli/sluice-process.ts';
import { startOrigin } from '../support/origins.ts';
import { ended, start, unlessInstalled } from '../support/programs.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

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

test('top in a terminal draws again and again, and says when sluice is away', {
  skip: unlessInstalled('script'),
}, async () => {
  await using short = await startSluice({ origin: origin.url });
  const top = `${process.execPath} ${launcher} top --admin 127.0.0.1:${short.adminPort}`;
  const terminal = ['-qfec', `stty rows 24 cols 80; exec ${top}`, '/dev/null'];
  const child = start('script', terminal, { stdio: ['ignore', 'pipe', 'ignore'] });
  let screen = '';
  child.stdout!.on('data', (bytes: Buffer) => {
    screen += bytes.toString();
  });
  try {
    await until(() => screen.split('0-RTT').length > 2, 'two pictures', 20_000);
    await short.stop();
    await until(() => /AWAY for \d+ s: [^;]+; trying again/.test(screen), 'the word', 20_000);
    assert.match(screen.slice(screen.lastIndexOf('AWAY')), /0-RTT/, 'the last picture stays');
  } finally {
    child.kill('SIGTERM');
    await ended(child);
  }
});

test('config shows what is active, without keys', async () => {
  const url = `http://127.0.0.1:${sluice.adminPort}/config`;
  const text = await (await fetch(url)).text();
  assert.match(text, /"workers":2/);
  assert.match(text, /"keyPem":"\(redacted\)"/);
  assert.doesNotMatch(text, /PRIVATE KEY/);
});

test('every change is written to the operator’s log', async () => {
  await command('reload', '--canary', '0s');
  assert.match(sluice.output, /admin: POST \/reload: 200/);
});

const ask = (path: string, authorization?: string) =>
  fetch(`http://127.0.0.1:${guarded.adminPort}${path}`, {
    headers: authorization === undefined ? {} : { authorization },
  });

test('a token guards the endpoint on TCP, but for health and metrics', async () => {
  for (const path of ['/healthz', '/readyz', '/metrics'])
    assert.equal((await ask(path)).status, 200);
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

test('sluice stop ends it gracefully', async () => {
  await using short = await startSluice({ origin: origin.url, workers: 2 });
  const { code } = await runSluice(['stop', '--admin', `127.0.0.1:${short.adminPort}`]);
  assert.equal(code, 0);
  assert.equal(await short.end(), 0);
});

/** What each shell offers for these words: the shell itself is asked. */
const shells: Record<string, (script: string, ...words: string[]) => string> = {
  bash(script, ...words) {
    const asked = `COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; _sluice`;
    return runShell('bash', ['-c', `${script}\n${asked}; echo "\${COMPREPLY[@]}"`]);
  },
  zsh(script, ...words) {
    // Its completion needs a terminal; here it is told the words, and says what it would offer.
    const last = words.at(-1)!;
    const own = `compadd() { shift; print -l -- "$@" | grep -- "^${last}" }; _files() { echo files }`;
    const asked = `_sluice() { local words=(${words.join(' ')}) CURRENT=${words.length} PREFIX='${last}'`;
    return runShell('zsh', ['-f', '-c', `${own}\n${asked}\n${script}\n}; _sluice`]);
  },
  fish(script, ...words) {
    return runShell('fish', ['-N', '-c', `${script}\ncomplete -C '${words.join(' ')}'`]);
  },
};

function runShell(shell: string, words: readonly string[]): string {
  return spawnSync(shell, words, { encoding: 'utf8' }).stdout.trim().split(/\s+/).sort().join(' ');
}

for (const [shell, complete] of Object.entries(shells)) {
  test(`${shell} completes commands, actions and the flags of each`, {
    skip: unlessInstalled(shell),
  }, async () => {
    const { stdout: script } = await runSluice(['completion', shell]);
    assert.equal(complete(script, 'sluice', 'rel'), 'reload');
    assert.match(complete(script, 'sluice', 'run', '--early'), /^--early-data/);
    assert.equal(complete(script, 'sluice', 'reload', '--can'), '--canary');
    assert.equal(complete(script, 'sluice', 'cache', 'pur'), 'purge');
    assert.equal(complete(script, 'sluice', 'cache', 'purge', '--pre'), '--prefix');
    assert.equal(complete(script, 'sluice', 'reload', '--cache-d'), '');
  });
}

test('completion for a shell that is not known names those that are', async () => {
  const { code, stderr } = await runSluice(['completion', 'tcsh']);
  assert.equal(code, 2);
  assert.match(stderr, /write one of bash, zsh, fish/);
});

test('the words of every command are known to the completion', async () => {
  for (const { name, flags, actions } of await commandArguments(commands)) {
    assert.ok(Object.keys({ ...flags, ...actions }).length > 0, name);
  }
});
