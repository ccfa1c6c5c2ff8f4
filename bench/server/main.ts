/**
 * Whole servers, one after the other, on one core each: sluice, and nginx beside it when it is
 * installed. Every scenario is proved first (the same bytes; hits that reach no origin), then
 * measured in rounds in which the order turns. The table shows medians and ratios of one run.
 */
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { get as getSecure } from 'node:https';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeSelfSignedCertificate } from '../../src/tls/self-signed.ts';
import { unusedPort } from '../../test/support/origins.ts';
import { findProgram } from '../../test/support/programs.ts';
import {
  canMeasureHandshakes,
  clientEnvironment,
  fullHandshakes,
  generator,
  isPinned,
  keepAlive,
  type Sample,
} from './load.ts';
import { accepting, cores, processorSeconds, start } from './processes.ts';
import { nginx, outsider, type RunningSubject, type Subject, sluice } from './subjects.ts';

const CONNECTIONS = 64;
/** Below this share of its core the server was not the limit, and the rate says little of it. */
const BUSY_SHARE_MIN = 0.9;

interface Scenario {
  readonly name: string;
  readonly isHit: boolean;
  readonly path: string;
  measure(subject: RunningSubject, seconds: number): Promise<Sample>;
}

interface Measurement extends Sample {
  readonly scenario: string;
  readonly subject: string;
  readonly round: number;
  /** Share of one core that the server used. */
  readonly busy: number;
  /** Requests per second of its processor time: less shaken by other work on the machine. */
  readonly perProcessorSecond: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
    subject: { type: 'string' },
    start: { type: 'string' },
    json: { type: 'string' },
  },
});
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);

// nginx keeps its cache in files: on a RAM file system, so that no disk is measured.
const ram = statSync('/dev/shm', { throwIfNoEntry: false })?.isDirectory() ? '/dev/shm' : tmpdir();
const directory = mkdtempSync(join(ram, 'sluice-sandbox-'));
// nginx's worker runs as another user when root starts it.
chmodSync(directory, 0o755);
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const environment = clientEnvironment(directory);

const everyScenario: readonly Scenario[] = [
  hit('h1-hit-1k', 'http', 1024),
  hit('h1-hit-16k', 'http', 16_384),
  hit('tls-hit-1k', 'https', 1024),
  hit('tls-hit-16k', 'https', 16_384),
  hit('tls-hit-1m', 'https', 1 << 20),
  {
    name: 'proxy-uncached-1k',
    isHit: false,
    path: '/dyn',
    measure: ({ httpPort }, time) =>
      keepAlive(`http://127.0.0.1:${httpPort}/dyn`, CONNECTIONS, time, environment),
  },
  {
    name: 'tls-full-handshake',
    isHit: true,
    path: '/o/1024',
    measure: ({ httpsPort }, time) => fullHandshakes(httpsPort, '/o/1024', time, environment),
  },
];
const scenarios = everyScenario.filter(
  ({ name }) =>
    (positionals.length === 0 || positionals.some((word) => name.includes(word))) &&
    (name !== 'tls-full-handshake' || canMeasureHandshakes),
);

function hit(name: string, scheme: 'http' | 'https', size: number): Scenario {
  const path = `/o/${size}`;
  return {
    name,
    isHit: true,
    path,
    measure({ httpPort, httpsPort }, time) {
      const port = scheme === 'http' ? httpPort : httpsPort;
      return keepAlive(`${scheme}://127.0.0.1:${port}${path}`, CONNECTIONS, time, environment);
    },
  };
}

const wanted = values.only?.split(',') ?? ['sluice', 'nginx'];
const subjects: Subject[] = wanted.includes('sluice') ? [sluice] : [];
if (wanted.includes('nginx') && findProgram('nginx') !== null) subjects.push(nginx);
if (values.subject !== undefined && values.start !== undefined) {
  subjects.push(outsider(values.subject, values.start));
}

await main();

async function main(): Promise<void> {
  if (scenarios.length === 0) return;
  const originPort = await unusedPort();
  const originFile = fileURLToPath(new URL('./origin.ts', import.meta.url));
  const origin = start(process.execPath, [originFile, `${originPort}`], cores.origin);
  await accepting(originPort, origin);
  const certificateFile = join(directory, 'cert.pem');
  const keyFile = join(directory, 'key.pem');
  const made = makeSelfSignedCertificate({ names: ['localhost'], nowMs: Date.now() });
  writeFileSync(certificateFile, made.certificatePem);
  writeFileSync(keyFile, made.keyPem, { mode: 0o600 });
  const surroundings = { directory, originPort, certificateFile, keyFile };

  console.log(`\n── whole servers: ${seconds} s × ${rounds} rounds, ${CONNECTIONS} connections`);
  console.log(`${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, ${generator}`);
  if (!isPinned) console.log('fewer than four cores, or no taskset: trust only large ratios');
  if (wanted.includes('nginx') && !subjects.includes(nginx))
    console.log('nginx is not installed: sluice alone');

  const all: Measurement[] = [];
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < subjects.length; i++) {
      const subject = subjects[(i + round) % subjects.length]!;
      const running = await subject.start(surroundings);
      try {
        await warm(running, originPort);
        for (const scenario of scenarios) {
          all.push(await measure(scenario, subject.name, running, round, originPort));
        }
      } finally {
        await running.stop();
      }
    }
  }
  await origin.stop();
  print(all);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(all, null, 1)}\n`);
}

/** Fetches everything twice over both schemes: the bytes are right, and hits reach no origin. */
async function warm(subject: RunningSubject, originPort: number): Promise<void> {
  const paths = [...new Set(scenarios.filter((one) => one.isHit).map((one) => one.path))];
  const urls = paths.flatMap((path) => [
    `http://127.0.0.1:${subject.httpPort}${path}`,
    `https://127.0.0.1:${subject.httpsPort}${path}`,
  ]);
  for (const url of urls) await fetchAll(url);
  const before = await askedSoFar(originPort);
  for (const url of urls) {
    const expected = await fetchAll(`http://127.0.0.1:${originPort}${new URL(url).pathname}`);
    if (!(await fetchAll(url)).equals(expected)) throw new Error(`wrong bytes from ${url}`);
  }
  const asked = (await askedSoFar(originPort)) - before - urls.length;
  if (asked !== 0) throw new Error(`${asked} hits reached the origin: ${subject.errors()}`);
}

async function measure(
  scenario: Scenario,
  name: string,
  subject: RunningSubject,
  round: number,
  originPort: number,
): Promise<Measurement> {
  await scenario.measure(subject, 1);
  const asked = await askedSoFar(originPort);
  const usedBefore = processorSeconds(subject.pid);
  const startedMs = performance.now();
  const sample = await scenario.measure(subject, seconds);
  const elapsed = (performance.now() - startedMs) / 1000;
  const used = processorSeconds(subject.pid) - usedBefore;
  const missed = scenario.isHit ? (await askedSoFar(originPort)) - asked : 0;
  if (missed > 0) console.log(`${name} ${scenario.name}: ${missed} hits reached the origin`);
  return {
    ...sample,
    scenario: scenario.name,
    subject: name,
    round,
    busy: used / elapsed,
    perProcessorSecond: (sample.rate * elapsed) / used,
  };
}

function print(all: readonly Measurement[]): void {
  const columns = ['scenario', 'server', 'requests/s', 'ratio', 'per CPU second', 'ratio', 'busy'];
  console.log(`\n| ${[...columns, 'p50', 'p99'].join(' | ')} |`);
  console.log('| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |');
  for (const { name } of scenarios) {
    const own = all.filter((m) => m.scenario === name && m.subject === 'sluice');
    for (const subject of subjects) {
      const theirs = all.filter((m) => m.scenario === name && m.subject === subject.name);
      console.log(`| ${name} | ${subject.name} | ${cells(own, theirs).join(' | ')} |`);
    }
  }
  console.log('\nA ratio is sluice’s figure over that server’s, medians of this run.');
}

/** What the table says of one server in one scenario. */
function cells(own: readonly Measurement[], theirs: readonly Measurement[]): string[] {
  const of = (pick: (m: Measurement) => number | null, all = theirs) => median(all.map(pick));
  const shown = (pick: (m: Measurement) => number) => Math.round(of(pick)).toLocaleString('en');
  const ratio = (pick: (m: Measurement) => number) =>
    own.length === 0 || own[0]!.subject === theirs[0]!.subject
      ? ''
      : (of(pick, own) / of(pick)).toFixed(2);
  const busy = of((m) => m.busy);
  const errors = theirs.reduce((sum, m) => sum + m.errors, 0);
  const notes = [
    busy < BUSY_SHARE_MIN ? ' (not the limit)' : '',
    errors > 0 ? ` (${errors} errors)` : '',
  ];
  const rate = (m: Measurement) => m.rate;
  const efficiency = (m: Measurement) => m.perProcessorSecond;
  return [
    shown(rate) + notes.join(''),
    ratio(rate),
    shown(efficiency),
    ratio(efficiency),
    `${Math.round(busy * 100)} %`,
    milliseconds(of((m) => m.p50Ms)),
    milliseconds(of((m) => m.p99Ms)),
  ];
}

function milliseconds(value: number): string {
  return Number.isNaN(value) ? '–' : `${value.toFixed(2)} ms`;
}

/** NaN when there is nothing to take it of. */
function median(values: readonly (number | null)[]): number {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  return sorted.length === 0 ? Number.NaN : sorted[Math.floor(sorted.length / 2)]!;
}

async function askedSoFar(originPort: number): Promise<number> {
  return Number(await fetchAll(`http://127.0.0.1:${originPort}/asked`));
}

function fetchAll(url: string): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const getter = url.startsWith('https:') ? getSecure : get;
  getter(url, { agent: false, rejectUnauthorized: false }, (response) => {
    const parts: Buffer[] = [];
    response.on('data', (bytes: Buffer) => parts.push(bytes));
    response.on('end', () => {
      if (response.statusCode === 200) resolve(Buffer.concat(parts));
      else reject(new Error(`${url} answered ${response.statusCode}`));
    });
  }).on('error', reject);
  return promise;
}
