import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { temporaryDirectory } from '../support/temporary.ts';
import { eventually, launcher, runSluice, startProgram, watch } from './sluice-process.ts';

const directory = temporaryDirectory();
const app = join(directory, 'server.mjs');
writeFileSync(
  app,
  `import { createServer } from 'node:http';
if (process.argv[2] === 'broken') process.exit(3);
let slow = null;
createServer((request, response) => {
  response.setHeader('Cache-Control', request.url === '/page' ? 'max-age=60' : 'no-store');
  if (request.url === '/slow') {
    console.log('slow begins');
    slow = response;
  } else response.end(JSON.stringify([process.pid, process.argv.slice(2)]));
}).listen(process.env.PORT, process.env.HOST);
// The last request is answered by what ends it: it gets SIGTERM after the drain has begun.
process.on('SIGTERM', () => { console.log('SIGTERM'); process.exit(7); });
setInterval(() => { if (slow !== null) { slow.end('slowly'); slow = null; } }, 500);
`,
);

const QUIET = ['--http', '0', '--https', '0', '--admin', '0', '--workers', '1'];

test('an app is served, started again when it dies, and ended after its last request', async () => {
  const words = ['exec', ...QUIET, '--', process.execPath, app, '$PORT'];
  await using sluice = startProgram(launcher, words);
  const [, http] = await sluice.until(/ {2}http {3}(\S+)\/\n/, 'stderr');
  await sluice.until(/ {2}cert /, 'stderr');
  const get = async (path: string) => {
    const response = await fetch(http + path);
    return [response.headers.get('cache-status'), await response.text()] as const;
  };
  const first = await get('/page');
  const [pid, argv] = JSON.parse(first[1]);
  assert.match(argv[0], /^\d+$/, '$PORT stands for the port');
  assert.match((await get('/page'))[0]!, /hit/);

  process.kill(pid, 'SIGKILL');
  await sluice.until(/ was ended by SIGKILL after .*; it is started again in 0\.25 s\n/, 'stderr');
  await eventually(async () => {
    const [, text] = await get('/pid');
    return text.startsWith('[') && JSON.parse(text)[0] !== pid;
  });

  const slow = get('/slow');
  await sluice.until(/slow begins/);
  process.kill(sluice.pid, 'SIGTERM');
  assert.equal((await slow)[1], 'slowly');
  const { code, stdout } = await sluice.ended;
  assert.equal(code, 7, 'the exit code of the app');
  assert.match(stdout, /SIGTERM/);
});

test('an app that ends before it listens ends sluice with its exit code', async () => {
  const words = ['exec', ...QUIET, '--', process.execPath, app, 'broken'];
  const { code, stderr } = await runSluice(words);
  assert.equal(code, 3);
  assert.match(stderr, /^sluice: .* exited with code 3 after .*, before it listened at PORT\n$/);
  const missing = await runSluice(['exec', '--', '/nowhere/program']);
  assert.equal(missing.code, 127);
  assert.equal(missing.stderr, 'sluice: cannot start /nowhere/program (ENOENT)\n');
});

test('what ends the shell of npm ends sluice', async () => {
  const origin = ['--origin', 'http://127.0.0.1:9', ...QUIET];
  // As npm does it; the second command keeps the shell from becoming sluice.
  const script = '"$@" & wait';
  const child = spawn('sh', ['-c', script, 'sh', process.execPath, launcher, ...origin], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, npm_command: 'exec' },
  });
  await using shell = watch(child);
  await shell.until(/ {2}cert /, 'stderr');
  process.kill(shell.pid, 'SIGTERM');
  // Its output ends when sluice has closed it, too.
  await shell.ended;
});
