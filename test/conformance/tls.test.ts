import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { findProgram } from '../support/programs.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { inParallel } from '../support/waiting.ts';
import { obtainTlsFuzzer, runScript, scriptNames, type TlsFuzzer } from './tls-fuzzer.ts';
import { leftOut, type TlsScript, tlsScripts } from './tls-scripts.ts';

/** `npm run conformance:tls` runs every probe; else so many of each script, picked by chance. */
const isLong = process.env.SLUICE_LONG === '1';
const PROBES = 8;

const obtained =
  findProgram('openssl') === null
    ? { missing: 'openssl is not installed' }
    : await obtainTlsFuzzer();

test('tlsfuzzer’s scripts for TLS 1.3', {
  skip: 'missing' in obtained ? obtained.missing : false,
}, async (t) => {
  const fuzzer = obtained as TlsFuzzer;
  const listed = [...tlsScripts.map(({ name }) => name), ...Object.keys(leftOut)];
  const unlisted = scriptNames(fuzzer).filter((name) => !listed.includes(name));
  assert.deepEqual(unlisted, [], 'every script is run, or left out with a reason');

  await using origin = await startOrigin((_request, response) => {
    response.setHeader('Cache-Control', 'no-store');
    response.end('ok');
  });
  await using rsa = await sluiceWith('rsa:2048', origin.url);
  await using ecdsa = await sluiceWith('ec', origin.url);
  const width = Math.max(2, availableParallelism() - 1);
  const faults: string[] = [];
  const scripts = tlsScripts.filter(({ isSlow }) => isLong || isSlow !== true);
  await inParallel(scripts.length, width, async (index) => {
    const script = scripts[index]!;
    const server = script.certificate === 'ecdsa' ? ecdsa : rsa;
    faults.push(...(await faultsOf(fuzzer, script, server)));
  });
  for (const { name, exceptions = [] } of tlsScripts) {
    for (const [probe, reason] of exceptions) t.diagnostic(`${name}: ${probe}: ${reason}`);
  }
  for (const [name, reason] of Object.entries(leftOut))
    t.diagnostic(`left out: ${name}: ${reason}`);
  assert.deepEqual(faults, []);
  assert.ok(rsa.isRunning && ecdsa.isRunning);
});

async function faultsOf(
  fuzzer: TlsFuzzer,
  { name, words = [], exceptions = [] }: TlsScript,
  server: RunningSluice,
): Promise<string[]> {
  const count = ['-n', String(isLong ? 0 : PROBES)];
  const result = await runScript(fuzzer, name, server.httpsPort, [...count, ...words]);
  const faults = result.failed
    .filter((probe) => !exceptions.some(([pattern]) => pattern.test(probe)))
    .map((probe) => `${name}: ${probe} fails:\n${saidOf(probe, result.output)}`);
  if (result.passed === 0) faults.push(`${name}: nothing has passed`);
  if (!isLong) return faults;
  // All probes were run, so that an exception that names none of them is out of date.
  const stale = exceptions.filter(([pattern]) => !result.failed.some((one) => pattern.test(one)));
  return [...faults, ...stale.map(([pattern]) => `${name}: nothing like ${pattern} fails`)];
}

function saidOf(probe: string, output: string): string {
  const start = output.indexOf(`${probe} ...`);
  return output.slice(start, output.indexOf('\n\n', start));
}

async function sluiceWith(key: 'rsa:2048' | 'ec', origin: string): Promise<RunningSluice> {
  const directory = temporaryDirectory();
  const files = { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') };
  const words = ['req', '-x509', '-newkey', key, '-nodes', '-days', '2', '-subj', '/CN=localhost'];
  if (key === 'ec') words.push('-pkeyopt', 'ec_paramgen_curve:P-256');
  execFileSync('openssl', [...words, '-out', files.cert, '-keyout', files.key], {
    stdio: 'ignore',
  });
  return startSluice({ origin, flags: ['--cert', files.cert, '--key', files.key] });
}
