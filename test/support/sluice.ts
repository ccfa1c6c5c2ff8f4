/** A running sluice, started by its command line as a user starts it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ended, start } from './programs.ts';
import { temporaryDirectory } from './temporary.ts';
import { until, within } from './waiting.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const node = process.execPath;
const program = join(root, 'bin/sluice.js');

/** Every sluice of a test process shares one state directory, so one self-signed certificate. */
const stateHome = temporaryDirectory();

export interface SluiceSettings {
  /** URL of the origin; left out when a file names it. */
  readonly origin?: string;
  readonly workers?: number;
  readonly earlyData?: 'on' | 'off';
  /** The file that a flag names says where to listen: at one port without TLS, and one with it. */
  readonly listensByFile?: boolean;
  /** For one that becomes another user: run where everybody may read the checkout. */
  readonly seenByAll?: boolean;
  /** Further flags, after the usual ones. */
  readonly flags?: readonly string[];
  /** Variables of its environment besides ours. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface Series {
  readonly labels: Record<string, string>;
  readonly value?: number;
  readonly count?: number;
}

export interface WorkerStatus {
  readonly pid: number | null;
  readonly state: string;
  readonly restarts: number;
  /** An RFC 3339 date. */
  readonly startedAt: string;
}

export interface Stats {
  readonly pid: number;
  readonly state: string;
  readonly standbyPid: number | null;
  readonly workers: readonly WorkerStatus[];
  readonly metrics: Record<string, readonly Series[]>;
}

export class RunningSluice implements AsyncDisposable {
  readonly pid: number;
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly adminPort: number;
  readonly #child: ReturnType<typeof start>;
  readonly #output: () => string;

  constructor(child: ReturnType<typeof start>, output: () => string) {
    this.#child = child;
    this.#output = output;
    this.pid = child.pid!;
    this.httpPort = portIn(output(), /^ +http +http:\/\/\S+:(\d+)\/$/m);
    this.httpsPort = portIn(output(), /^ +https +https:\/\/\S+:(\d+)\/$/m);
    this.adminPort = portIn(output(), /^ +admin +http:\/\/\S+:(\d+)\/$/m);
  }

  /** What it has printed so far. */
  get output(): string {
    return this.#output();
  }

  get httpUrl(): string {
    return `http://127.0.0.1:${this.httpPort}`;
  }

  get httpsUrl(): string {
    return `https://localhost:${this.httpsPort}`;
  }

  /** Process identifiers of those that serve: its own with one worker, else its children's. */
  async workerPids(): Promise<number[]> {
    return (await this.stats()).workers.map((worker) => worker.pid ?? -1);
  }

  async stats(headers: Record<string, string> = {}): Promise<Stats> {
    const response = await fetch(`http://127.0.0.1:${this.adminPort}/stats`, { headers });
    return (await response.json()) as Stats;
  }

  /** The sum of a counter's or gauge's series that bear all of these labels. */
  async sum(metric: string, labels: Record<string, string> = {}): Promise<number> {
    return sumOf(await this.stats(), metric, labels);
  }

  /** Resident bytes of all its processes together. */
  async residentBytes(): Promise<number> {
    const pids = new Set([this.pid, ...(await this.workerPids())]);
    return [...pids].reduce((sum, pid) => sum + residentBytesOf(pid), 0);
  }

  /** Whether the process is still there. */
  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Resolves with the exit code when it has ended by itself or by a signal sent before. */
  end(): Promise<number | string> {
    return within(ended(this.#child), 'sluice to end');
  }

  /** SIGTERM, and its exit code. */
  stop(): Promise<number | string> {
    this.signal('SIGTERM');
    return this.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isRunning) return;
    this.signal('SIGKILL');
    await this.end();
  }
}

/**
 * Words that run sluice from /mnt, which is this checkout in a mount namespace of its own: others may
 * not enter the directories of root's that it may be in. `before` are words such as setpriv's.
 */
export function wordsSeenByAll(words: readonly string[], before: readonly string[] = []): string[] {
  const enter = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c'];
  const move = 'mount --bind "$0" /mnt && cd / && exec "$@"';
  const sluice = ['/mnt/node_modules/.bin/node', '/mnt/bin/sluice.js', ...words];
  return [...enter, move, root, ...before, ...sluice];
}

/** Starts sluice on free ports and resolves when it serves; rejects with its words when it ends. */
export async function startSluice(settings: SluiceSettings): Promise<RunningSluice> {
  const { origin, workers = 1, earlyData = 'on', flags = [], listensByFile = false } = settings;
  const { seenByAll = false } = settings;
  const words = listensByFile ? [] : ['--http', '0', '--https', '0'];
  words.push('--admin', '0');
  if (origin !== undefined) words.push('--origin', origin);
  words.push('--workers', String(workers), '--early-data', earlyData, ...flags);
  const [command, ...rest] = seenByAll ? wordsSeenByAll(words) : [node, program, ...words];
  const child = start(command!, rest, {
    stdio: 'pipe',
    env: { ...environment(), ...settings.environment },
  });
  let output = '';
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', (bytes: Buffer) => {
      output += bytes.toString();
    });
  }
  try {
    await until(
      () => {
        if (child.exitCode !== null || child.signalCode !== null) {
          throw new Error(`sluice ended at its start (${child.exitCode}):\n${output}`);
        }
        return /^ +cert /m.test(output);
      },
      () => `sluice to serve; it printed: ${output}`,
    );
    return new RunningSluice(child, () => output);
  } catch (error) {
    // Who gives up ends what it started: its pipes would keep the test's process alive.
    child.kill('SIGKILL');
    await ended(child);
    throw error;
  }
}

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, XDG_STATE_HOME: stateHome };
}

/** The PEM file of the self-signed certificate, once a sluice has made it. */
export function certificateFile(): string {
  return join(stateHome, 'sluice', 'localhost.pem');
}

export function sumOf(stats: Stats, metric: string, labels: Record<string, string> = {}): number {
  const series = stats.metrics[metric];
  if (series === undefined) throw new Error(`no metric is called ${metric}`);
  return series
    .filter((one) => Object.entries(labels).every(([name, value]) => one.labels[name] === value))
    .reduce((sum, one) => sum + (one.value ?? one.count ?? 0), 0);
}

export function residentBytesOf(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return Number(match?.[1] ?? 0) * 1024;
}

function portIn(text: string, pattern: RegExp): number {
  const match = pattern.exec(text);
  if (match === null)
    throw new Error(`no address like ${pattern} in what sluice printed:\n${text}`);
  return Number(match[1]);
}
