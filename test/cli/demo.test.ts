import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { unlessInstalled } from '../support/programs.ts';
import { patience } from '../support/waiting.ts';
import { launcher, repository, runSluice, startProgram, watch } from './sluice-process.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-'));
test.after(() => rmSync(directory, { recursive: true }));

const environment = { XDG_STATE_HOME: directory };
const anyPorts = ['--http', '0', '--https', '0', '--admin', '0'];

/** The commands that the demo prints, one for each numbered step. */
function printedCommands(text: string): string[] {
  return text
    .split(/^\d\. .*$/m)
    .slice(1)
    .map((step) => step.trim());
}

function shell(command: string): string {
  return execFileSync('sh', ['-c', command], { encoding: 'utf8', timeout: patience(30_000) });
}

test('the demo prints three commands that work, and ends cleanly on Ctrl-C', {
  skip: unlessInstalled('curl') || unlessInstalled('openssl'),
}, async () => {
  await using demo = startProgram(launcher, ['demo', ...anyPorts], { environment });
  await demo.until(/^3\. .*\n\n.*\n/m);
  const text = demo.stdout();
  const [fingerprint] = /SHA-256 [0-9A-F]{2}(:[0-9A-F]{2}){31}$/m.exec(text) ?? [];
  assert.ok(fingerprint, 'the fingerprint of the certificate is shown');
  const [cached, earlyData, metrics] = printedCommands(text);

  const statuses = shell(cached!).match(/^cache-status: .*$/gim);
  assert.equal(statuses?.length, 2);
  assert.match(statuses[0]!, /fwd=uri-miss.*stored/);
  assert.match(statuses[1]!, /; hit/);

  const early = shell(earlyData!);
  assert.match(early, /^Early data was accepted$/m);
  assert.match(early, /^HTTP\/1\.1 200/m);
  assert.match(early, /^cache-status: .*; hit/im);

  const counts = shell(metrics!);
  assert.match(counts, /^sluice_requests_total\{.*cache="hit"\} \d+$/m);
  assert.match(counts, /^sluice_early_data_accepted_total 1$/m);
  assert.match(counts, /^sluice_tls_handshakes_total\{version="TLSv1\.3".*resumed="1".*\} 1$/m);

  process.kill(demo.pid, 'SIGINT');
  const { code, stderr } = await demo.ended;
  assert.deepEqual([code, stderr], [0, '']);
});

test("the demo's pages show what they say", async () => {
  const words = ['demo', '--http', '0', '--admin', 'off', '--workers', '1'];
  await using demo = startProgram(launcher, words);
  const [, base] = await demo.until(/ {2}http {3}(http:\/\/[\d.:]+)\//);
  const page = await fetch(`${base}/`);
  assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
  assert.match(await page.text(), /sluice works/);
  const echo = await fetch(`${base}/echo?a=b`, { method: 'POST', body: 'content' });
  assert.match(await echo.text(), /^POST \/echo\?a=b HTTP\/1\.1\n[\s\S]*\n\ncontent$/);
  const big = await fetch(`${base}/big?bytes=3000000`);
  assert.equal((await big.arrayBuffer()).byteLength, 3_000_000);
  assert.equal((await fetch(`${base}/big?bytes=-1`)).status, 400);
  assert.equal((await fetch(`${base}/nothing`)).status, 404);
  assert.equal(await (await fetch(`${base}/slow`)).text(), 'At last.\n');
});

test('Ctrl-C ends the demo cleanly, also when its origin has died before', async () => {
  const words = ['demo', '--http', '0', '--admin', 'off', '--workers', '1'];
  await using demo = startProgram(launcher, words);
  await demo.until(/^Try:/m);
  const children = readFileSync(`/proc/${demo.pid}/task/${demo.pid}/children`, 'latin1');
  for (const pid of children.trim().split(' ')) process.kill(Number(pid), 'SIGKILL');
  await demo.until(/the demo's origin died \(SIGKILL\)/, 'stderr');
  process.kill(demo.pid, 'SIGINT');
  const { code, stderr } = await demo.ended;
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, /^ {4}at /m);
});

test('two demos at once: the second names the flag of the port that is taken', async () => {
  await using first = startProgram(launcher, ['demo', '--http', '0', '--admin', 'off']);
  const [, port] = await first.until(/ {2}http {3}http:\/\/127\.0\.0\.1:(\d+)\//);
  const second = await runSluice(['demo', '--http', port!, '--admin', 'off']);
  assert.equal(second.code, 2);
  assert.match(second.stderr, /^sluice: --http 127\.0\.0\.1:\d+: the port is taken; .*--http.*\n$/);
});

test('Ctrl-C in a terminal ends npm start with exit code 0', async () => {
  const npm = spawn('npm', ['start', '--silent', '--', ...anyPorts], {
    cwd: repository,
    // A process group of its own, which gets the signal as a terminal would send it.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  await using demo = watch(npm);
  await demo.until(/^3\. /m);
  process.kill(-demo.pid, 'SIGINT');
  const { code, stderr } = await demo.ended;
  assert.deepEqual([code, stderr], [0, '']);
});
