/**
 * Which commit brought a fault: git bisect's question over the first parents, answered in work trees
 * of their own, so that the user's stays as it is.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Commit, CommitFinding } from '../report/report.ts';

const runFile = promisify(execFile);
/** git answers at once, but for a work tree on a slow disk. */
const GIT_TIMEOUT_MS = 60_000;
const GIT_OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

export interface CommitRange {
  readonly repository: string;
  readonly good: string;
  readonly bad: string;
}

export type CommitVerdict = 'fails' | 'lives' | 'cannot';

/** Tries a commit, which is checked out in a directory. */
export type TryCheckout = (checkout: string, commit: Commit) => Promise<CommitVerdict>;

/** Never rejects but for an abort or what `tries` rejects with. */
export async function findCommit(
  range: CommitRange,
  tries: TryCheckout,
  signal: AbortSignal,
): Promise<CommitFinding> {
  const commits = await commitsOf(range);
  if (typeof commits === 'string') return impossible(commits);
  await removeAbandoned(range.repository);
  await using checkout = new Checkout(range.repository);
  let why = '';
  const verdictOf = async (commit: Commit): Promise<CommitVerdict> => {
    signal.throwIfAborted();
    const directory = await checkout.at(commit.hash).catch((error: unknown) => {
      why = ` (${reasonOf(error)})`;
      return null;
    });
    return directory === null ? 'cannot' : tries(directory, commit);
  };
  const [good, ...later] = commits;
  if (good === undefined || later.length === 0) {
    return impossible(`${range.bad} does not come after ${range.good}`);
  }
  const first = await verdictOf(good);
  if (first === 'cannot') return impossible(`${range.good} cannot be tried${why}`);
  if (first === 'fails') return none(`${range.good} fails as well`);
  const last = await verdictOf(later.at(-1)!);
  if (last === 'cannot') return impossible(`${range.bad} cannot be tried${why}`);
  if (last === 'lives') return none(`${range.bad} does not fail`);
  const found = await bisected(later, verdictOf);
  return found.status === 'range' ? { ...found, reason: found.reason + why } : found;
}

/** The last one of the commits fails, and the one before the first does not. */
async function bisected(
  commits: readonly Commit[],
  verdictOf: (commit: Commit) => Promise<CommitVerdict>,
): Promise<CommitFinding> {
  const untestable = new Set<Commit>();
  let suspects = commits;
  while (suspects.length > 1) {
    const candidates = suspects.slice(0, -1).filter((commit) => !untestable.has(commit));
    const middle = candidates[Math.floor(candidates.length / 2)];
    if (middle === undefined) break;
    const verdict = await verdictOf(middle);
    const place = suspects.indexOf(middle);
    if (verdict === 'cannot') untestable.add(middle);
    else if (verdict === 'fails') suspects = suspects.slice(0, place + 1);
    else suspects = suspects.slice(place + 1);
  }
  if (suspects.length === 1) return { status: 'found', commits: suspects, reason: '' };
  return { status: 'range', commits: suspects, reason: 'the others of them cannot be tried' };
}

function none(reason: string): CommitFinding {
  return { status: 'none', commits: [], reason };
}

function impossible(reason: string): CommitFinding {
  return { status: 'impossible', commits: [], reason };
}

/** From the good one to the bad one; or why that cannot be told. */
async function commitsOf({ repository, good, bad }: CommitRange): Promise<Commit[] | string> {
  try {
    const [first, last] = await Promise.all(
      [good, bad].map((name) => git(repository, 'rev-parse', '--verify', `${name}^{commit}`)),
    );
    const log = await git(
      repository,
      ...['log', '--first-parent', '--reverse', '--format=%H%x09%cI%x09%s'],
      ...[`${first!.trim()}..${last!.trim()}`],
    );
    const before = await git(repository, 'log', '-1', '--format=%H%x09%cI%x09%s', first!.trim());
    return [...before.split('\n'), ...log.split('\n')]
      .filter((line) => line !== '')
      .map(readCommit);
  } catch (error) {
    return reasonOf(error);
  }
}

/** What git has said, or why it could not be asked. */
function reasonOf(error: unknown): string {
  const { stderr, message } = error as Error & { stderr?: string };
  return (stderr ?? '').trim().split('\n').at(-1) || message;
}

function readCommit(line: string): Commit {
  const [hash = '', date = '', ...subject] = line.split('\t');
  return { hash, date, subject: subject.join('\t') };
}

async function git(repository: string, ...words: readonly string[]): Promise<string> {
  const limits = { timeout: GIT_TIMEOUT_MS, maxBuffer: GIT_OUTPUT_BYTES_MAX };
  const { stdout } = await runFile('git', ['-C', repository, ...words], limits);
  return stdout;
}

/** Directories of work trees bear their owner's process and when it began, which no other one has. */
const PREFIX = 'sluice-commits-';
const ownerIn = (name: string) => /^sluice-commits-(\d+)-(\d+)-/.exec(name);

/** In ticks since the machine was started (proc(5), field 22); '' for a process that is not there. */
function beginOf(pid: number | string): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name, in parentheses, may have spaces.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

/**
 * Of triages that were killed: their work trees are still there, and registered with the repository.
 * Never rejects: what stays is only untidy.
 */
async function removeAbandoned(repository: string): Promise<void> {
  const list = await git(repository, 'worktree', 'list', '--porcelain').catch(() => '');
  for (const [, path] of list.matchAll(/^worktree (.*)$/gm)) {
    const parent = dirname(path!);
    const owner = ownerIn(basename(parent));
    // One that is not there may be another machine's, or a container's.
    if (owner === null || dirname(parent) !== tmpdir() || !existsSync(path!)) continue;
    if (beginOf(owner[1]!) === owner[2]) continue;
    await git(repository, 'worktree', 'remove', '--force', path!).catch(() => {});
    rmSync(parent, { recursive: true, force: true });
  }
}

/** One work tree at a time, each in a directory of its own: nothing of another commit is left in it. */
class Checkout implements AsyncDisposable {
  readonly #repository: string;
  #parent = '';
  #directory = '';

  constructor(repository: string) {
    this.#repository = repository;
  }

  async at(hash: string): Promise<string> {
    await this.#remove();
    const owner = `${process.pid}-${beginOf(process.pid)}-`;
    this.#parent ||= mkdtempSync(join(tmpdir(), PREFIX + owner));
    const directory = join(this.#parent, hash);
    // Also when it fails, something may be there.
    this.#directory = directory;
    await git(this.#repository, 'worktree', 'add', '--quiet', '--detach', directory, hash);
    // Installing each commit's own would take minutes, and what is pinned rarely matters.
    const modules = join(this.#repository, 'node_modules');
    if (existsSync(modules)) symlinkSync(modules, join(directory, 'node_modules'));
    return directory;
  }

  async #remove(): Promise<void> {
    if (this.#directory === '') return;
    const words = ['worktree', 'remove', '--force', this.#directory];
    this.#directory = '';
    await git(this.#repository, ...words).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#remove();
    if (this.#parent !== '') rmSync(this.#parent, { recursive: true, force: true });
  }
}
