/** The sandbox that starts processes: a whole sluice, which is thrown away afterwards. */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { durationText } from '../../base/duration-text.ts';
import { UsageError } from '../../base/errors.ts';
import { endProcess, owned } from '../../base/owned.ts';
import { slowdown } from '../../base/slowdown.ts';
import { startWords } from '../../loading/start-words.ts';
import { type Incident, isWithoutDeath } from '../../triage/incident.ts';
import { decodeIncident } from '../../triage/incident-file.ts';
import { incidentFileName } from '../../triage/incident-name.ts';
import type { PlayedOutcome, ReplayScript } from '../../triage/replay/script.ts';
import { ScriptedOrigin } from '../../triage/replay/scripted-origin.ts';
import {
  type OpenSandbox,
  type Player,
  PROMPT,
  type Sandbox,
  type SandboxRun,
  type SandboxRunSettings,
  type SandboxSetting,
} from '../../triage/sandbox.ts';
import { entryPoint } from '../entry-point.ts';
import {
  HANDSHAKE_PROTOCOL,
  INCIDENTS,
  SANDBOX_PROTOCOL,
  type SandboxCommand,
  type SandboxReport,
  type SandboxStart,
} from './contract.ts';

/** From the start of the process to its first word; a checkout may compile for the first time. */
const START_TIMEOUT_MS = 30_000;
/** A worker that hangs is noticed in one to two seconds, and its replacement starts in one. */
const SETTLE_TIMEOUT_MS = 30_000;
/** An incident is written after the replacement was started. */
const INCIDENT_TIMEOUT_MS = 10_000;
const POLL_INTERVAL_MS = 10;
/** A sluice writes so many incidents within an hour (IncidentLimits.deathsPerHour), with room. */
const DEATHS_MAX = 40;
/** Of what the process says, for when it ends at its start. */
const OUTPUT_CHARACTERS_MAX = 4_000;

const LOOPBACK = '127.0.0.1';
const root = fileURLToPath(new URL('../../..', import.meta.url));
const program = entryPoint(new URL('./main.ts', import.meta.url));

export function sandboxWith(play: Player): OpenSandbox {
  return async (setting, signal) => {
    const origin = setting.requests === true ? await ScriptedOrigin.listen() : null;
    try {
      const first = await SandboxProcess.start(setting, origin, signal);
      return new LocalSandbox(setting, play, origin, first);
    } catch (error) {
      await origin?.[Symbol.asyncDispose]();
      throw error;
    }
  };
}

/** Connections of a script that is played many times: so many at once. */
const AT_ONCE = 16;

class LocalSandbox implements Sandbox {
  readonly #setting: SandboxSetting;
  readonly #play: Player;
  readonly #origin: ScriptedOrigin | null;
  #process: SandboxProcess;
  /** Something was played that may have left something behind: stored responses, counts, timers. */
  #isUsed = false;

  constructor(
    setting: SandboxSetting,
    play: Player,
    origin: ScriptedOrigin | null,
    first: SandboxProcess,
  ) {
    this.#setting = setting;
    this.#play = play;
    this.#origin = origin;
    this.#process = first;
  }

  get port(): number {
    return this.#process.port;
  }

  async run(
    scripts: readonly ReplayScript[],
    signal: AbortSignal,
    { isFresh, lingerMs }: SandboxRunSettings = PROMPT,
  ): Promise<SandboxRun> {
    const isSpent = this.#process.deaths >= DEATHS_MAX;
    if (isSpent || (this.#isUsed && (isFresh || this.#origin !== null))) {
      await this.#startAnew(signal);
    }
    const running = this.#process;
    const before = running.deaths;
    if (this.#origin !== null) {
      this.#origin.scripts = scripts.filter((script) => script.mode === 'request');
    }
    const played = await Promise.all(scripts.map((script) => this.#playAll(script, signal)));
    await running.settle(signal);
    if (running.deaths === before && lingerMs > 0) {
      await sleep(lingerMs * slowdown(), undefined, { signal });
      await running.settle(signal);
    }
    const death = running.deaths > before ? await running.newIncident(signal) : null;
    // A worker that has died takes with it what it was played.
    this.#isUsed = death === null || scripts.length > 1 || isFresh;
    return { death, played };
  }

  /** A script of a connection that is made many times ends with the first death. */
  async #playAll(script: ReplayScript, signal: AbortSignal): Promise<PlayedOutcome> {
    const running = this.#process;
    const { afterMs = 0 } = script;
    if (afterMs > 0) await sleep(afterMs, undefined, { signal });
    const target = { host: LOOPBACK, port: running.port, plainPort: running.plainPort };
    if (script.mode === 'request') return this.#play(script, target, signal);
    const before = running.deaths;
    let left = script.times ?? 1;
    for (;;) {
      const batch = Array.from({ length: Math.min(left, AT_ONCE) }, () =>
        this.#play(script, target, signal),
      );
      const [first] = await Promise.all(batch);
      left -= batch.length;
      if (left <= 0) return first!;
      await running.settle(signal);
      if (running.deaths > before) return first!;
    }
  }

  async #startAnew(signal: AbortSignal): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
    this.#process = await SandboxProcess.start(this.#setting, this.#origin, signal);
    this.#isUsed = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
    await this.#origin?.[Symbol.asyncDispose]();
  }
}

/** One sluice on one directory. */
class SandboxProcess implements AsyncDisposable {
  port = 0;
  plainPort = 0;
  deaths = 0;
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #seen = new Set<string>();
  readonly #ended: Promise<void>;
  #onReport: (report: SandboxReport) => void = () => {};
  #output = '';

  /** Rejects with UsageError; then nothing is left behind. */
  static async start(
    setting: SandboxSetting,
    origin: ScriptedOrigin | null,
    signal: AbortSignal,
  ): Promise<SandboxProcess> {
    const sandbox = new SandboxProcess(setting.checkout);
    try {
      const { options, features } = setting;
      const directory = sandbox.#directory;
      const common = { options, features, directory };
      const start: SandboxStart =
        origin === null
          ? { protocol: HANDSHAKE_PROTOCOL, ...common }
          : { protocol: SANDBOX_PROTOCOL, ...common, origin: origin.ports };
      const answer = await sandbox.#ask({ type: 'start', start }, START_TIMEOUT_MS, signal);
      if (answer.type === 'failed') throw new UsageError(answer.message, answer.remedy);
      if (answer.type === 'ready') {
        sandbox.port = answer.port;
        sandbox.plainPort = answer.plainPort ?? 0;
      }
      return sandbox;
    } catch (error) {
      await sandbox[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(checkout: string) {
    const words = programIn(checkout);
    this.#directory = mkdtempSync(join(tmpdir(), 'sluice-sandbox-'));
    this.#child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', ...words],
      // Its own process group: Ctrl-C ends it when we say so.
      { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], detached: true },
    );
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on('data', (bytes: Buffer) => {
        this.#output = (this.#output + bytes.toString()).slice(-OUTPUT_CHARACTERS_MAX);
      });
    }
    this.#child.on('message', (report: SandboxReport) => this.#onReport(report));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    this.#child.once('error', () => resolve());
    this.#child.once('exit', () => resolve());
  }

  /** Resolves when all workers are there and have read what was sent. */
  async settle(signal: AbortSignal): Promise<void> {
    const answer = await this.#ask({ type: 'settle' }, SETTLE_TIMEOUT_MS, signal);
    if (answer.type === 'settled') this.deaths = answer.deaths;
  }

  /** The first one of a death that was not given before. */
  async newIncident(signal: AbortSignal): Promise<Incident> {
    const directory = join(this.#directory, INCIDENTS);
    for (let waitedMs = 0; waitedMs < INCIDENT_TIMEOUT_MS; waitedMs += POLL_INTERVAL_MS) {
      const names = existsSync(directory) ? readdirSync(directory).sort() : [];
      const unseen = names.filter((name) => incidentFileName.test(name) && !this.#seen.has(name));
      for (const name of unseen) this.#seen.add(name);
      const incidents = unseen.map((name) => decodeIncident(readFileSync(join(directory, name))));
      const death = incidents.find(({ kind }) => !isWithoutDeath(kind));
      if (death !== undefined) return death;
      await sleep(POLL_INTERVAL_MS, undefined, { signal });
    }
    throw new Error(`a worker of the sandbox instance died and left no incident:\n${this.#output}`);
  }

  async #ask(
    command: SandboxCommand,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<SandboxReport> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<SandboxReport>();
    this.#onReport = resolve;
    const fail = (what: string) =>
      reject(
        new UsageError(
          `the sandbox instance ${what}:\n${this.#output}`,
          'try this version by itself',
        ),
      );
    const timer = setTimeout(
      () => fail(`does not answer within ${durationText(timeoutMs)}`),
      timeoutMs,
    );
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    owned(
      this.#ended.then(() => fail('ended by itself')),
      endProcess,
    );
    if (this.#child.connected) this.#child.send(command, () => {});
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // It kills its workers, and ends, when the channel closes.
    if (this.#child.connected) this.#child.disconnect();
    const killTimer = setTimeout(() => this.#child.kill('SIGKILL'), SETTLE_TIMEOUT_MS);
    await this.#ended;
    clearTimeout(killTimer);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Throws UsageError when the checkout has no sandbox. */
function programIn(checkout: string): string[] {
  if (checkout === '') return startWords(program);
  const path = join(checkout, relative(root, program));
  // Another checkout may be older than what starts ours.
  if (existsSync(path)) return [path];
  throw new UsageError(
    `${checkout}: there is no ${relative(root, program)}`,
    'name a checkout of sluice that has one',
  );
}
