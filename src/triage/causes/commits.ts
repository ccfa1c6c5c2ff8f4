/**
 * Which commit brought a fault: git bisect's question over the first parents, answered in work trees
 * of their own, so that the user's stays as it is.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
  await using checkout = new Checkout(range.repository);
  const verdictOf = async (commit: Commit): Promise<CommitVerdict> => {
    signal.throwIfAborted();
    return tries(await checkout.at(commit.hash), commit);
  };
  const [good, ...later] = commits;
  if (good === undefined || later.length === 0) {
    return impossible(`${range.bad} does not come after ${range.good}`);
  }
  const first = await verdictOf(good);
  if (first === 'cannot') return impossible(`${range.good} cannot be tried`);
  if (first === 'fails') return none(`${range.good} fails as well`);
  const last = await verdictOf(later.at(-1)!);
  if (last === 'cannot') return impossible(`${range.bad} cannot be tried`);
  if (last === 'lives') return none(`${range.bad} does not fail`);
  return await bisected(later, verdictOf);
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
    const { stderr, message } = error as Error & { stderr?: string };
    return (stderr ?? '').trim().split('\n')[0] || message;
  }
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

/** One work tree at a time, each in a directory of its own: nothing of another commit is left in it. */
class Checkout implements AsyncDisposable {
  readonly #repository: string;
  readonly #parent = mkdtempSync(join(tmpdir(), 'sluice-commits-'));
  #directory = '';

  constructor(repository: string) {
    this.#repository = repository;
  }

  async at(hash: string): Promise<string> {
    await this.#remove();
    const directory = join(this.#parent, hash);
    await git(this.#repository, 'worktree', 'add', '--quiet', '--detach', directory, hash);
    this.#directory = directory;
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
    rmSync(this.#parent, { recursive: true, force: true });
  }
}
