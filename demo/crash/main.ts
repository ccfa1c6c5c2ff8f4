/**
 * `npm run demo:crash`: a crash in production, from the first death to its cause and back to safety,
 * with nothing done by hand. The observer does what another server's metric did: it asks OpenSSL for
 * the negotiated group inside the callback at the end of the handshake.
 */
import { mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Load, type LoadFigures, startLoad } from './load.ts';
import { OBSERVER, Scene, WORKERS } from './scene.ts';
import { dim, Findings, red, say, secondLine, title } from './screen.ts';
import { triageFindings } from './triage.ts';

const QUIET_MS = 3_000;
/** A client with the trigger comes so often while workers die of it. */
const TRIGGER_INTERVAL_MS = 700;
const TRIGGERS_MAX = 12;
/** Clients with the trigger that come when the rollback has acted. */
const TRIGGERS_AFTER = 12;
/** For the connections that began before the rollback acted: each may still end a worker. */
const SETTLE_MS = 2_000;

interface Stats {
  readonly workers: readonly { readonly state: string; readonly restarts: number }[];
}
interface Rollbacks {
  readonly rollbacks: readonly { readonly name: string }[];
}

/** Follows what clients see, a line a second. */
class Watch {
  readonly #scene: Scene;
  readonly #load: Load;
  readonly #timer: NodeJS.Timeout;
  #before = { atMs: performance.now(), succeeded: 0, failed: 0 };
  #requestsMax = 0;

  constructor(scene: Scene, load: Load) {
    this.#scene = scene;
    this.#load = load;
    this.#timer = setInterval(() => void this.#look(), 1_000);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const alive = await livingWorkers(this.#scene);
    const { succeeded, failed } = this.#load.figures;
    const now = { atMs: performance.now(), succeeded, failed };
    const seconds = (now.atMs - this.#before.atMs) / 1000;
    const requests = Math.round((succeeded - this.#before.succeeded) / seconds);
    this.#requestsMax = Math.max(this.#requestsMax, requests);
    const lost = failed - this.#before.failed;
    this.#before = now;
    const requestsMax = this.#requestsMax;
    say(secondLine({ requests, requestsMax, failed: lost, workers: alive, workersMax: WORKERS }));
  }
}

async function livingWorkers(scene: Scene): Promise<number> {
  const { workers } = await scene.ask<Stats>('/stats');
  return workers.filter(({ state }) => state === 'running').length;
}

async function deaths(scene: Scene): Promise<number> {
  const { workers } = await scene.ask<Stats>('/stats');
  return workers.reduce((sum, { restarts }) => sum + restarts, 0);
}

/** Clients with the trigger come until the rollback has acted; resolves with the time that it took. */
async function attack(scene: Scene, isOff: () => boolean): Promise<number> {
  const startedAtMs = performance.now();
  for (let sent = 0; sent < TRIGGERS_MAX && !isOff(); sent++) {
    const gotThrough = await scene.trigger();
    say(
      gotThrough ? 'a client with the trigger got through' : red('a client with the trigger: cut'),
    );
    await sleep(TRIGGER_INTERVAL_MS);
  }
  return performance.now() - startedAtMs;
}

/** How many of some clients with the trigger get through now. */
async function survivals(scene: Scene): Promise<number> {
  let count = 0;
  for (let sent = 0; sent < TRIGGERS_AFTER; sent++) count += (await scene.trigger()) ? 1 : 0;
  return count;
}

async function main(): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-demo-crash-'));
  const incidents = join(directory, 'incidents');
  mkdirSync(incidents, { mode: 0o700 });
  const findings = new Findings();
  let isOff = false;

  title(`1. ${WORKERS} workers, one of whose observers asks OpenSSL for the group in a callback`);
  await using scene = await Scene.open(directory, (line) => {
    isOff ||= line.includes(`${OBSERVER} is disabled`);
    if (/^sluice: (worker|incident|rollback)/.test(line)) say(dim(line.replace(directory, '…')));
  });
  const load = startLoad(scene.ports.https);
  say(`load from ${load.name}`);
  const watch = new Watch(scene, load);
  await sleep(QUIET_MS);

  title('2. A client whose first group the server does not take: a HelloRetryRequest');
  const tookMs = await attack(scene, () => isOff);
  await sleep(SETTLE_MS);

  title('3. The same client again');
  const through = await survivals(scene);
  say(`${through} of ${TRIGGERS_AFTER} got through`);
  const before = { ...load.figures };
  await sleep(SETTLE_MS);
  const died = await deaths(scene);
  const { rollbacks } = await scene.ask<Rollbacks>('/features');
  const after = { ...load.figures };
  watch.stop();
  await load.stop();

  title('What came of it');
  const seconds = (tookMs / 1000).toFixed(1);
  findings.check(died > 0, `${died} workers died, and were replaced`);
  findings.check(isOff, `the observer was disabled ${seconds} s after the first such client`);
  findings.check(
    rollbacks.length === 1 && rollbacks[0]!.name === OBSERVER,
    `that observer and nothing else: ${rollbacks.map(({ name }) => name).join(', ')}`,
  );
  findings.check(
    through === TRIGGERS_AFTER,
    `${through} of ${TRIGGERS_AFTER} such clients survive`,
  );
  findings.check(servedOn(before, after), `traffic went on: ${trafficText(after)}`);
  const written = readdirSync(incidents).filter((name) => name.includes('-crash-'));
  findings.check(written.length > 0, `${written.length} incidents in ${incidents}`);
  if (written.length > 0) await triageFindings(join(incidents, written.sort()[0]!), findings);
  return findings.exitCode;
}

function servedOn(before: LoadFigures, after: LoadFigures): boolean {
  return after.succeeded > before.succeeded && after.failed === before.failed;
}

function trafficText({ succeeded, failed }: LoadFigures): string {
  return `${succeeded} requests answered, ${failed} lost with the workers that died`;
}

process.exitCode = await main();
// The agent of the load may still hold sockets that nobody needs.
process.exit();
