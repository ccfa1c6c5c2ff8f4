/**
 * Runs the commands on a page of docs/how-to, in order, in a directory of their own. A fence's first
 * word is its language, the others say what is done with it:
 *
 * - `sh runnable`: run to its end; it must succeed. With `fails` it must exit with 2, and with
 *   `needs=PROGRAM` the page's test is skipped from there on when the program is not installed.
 * - `sh runnable server`: started, and left running until the page ends, once its ports answer, and
 *   sluice has said that it serves.
 * - `text output`: lines that the commands before it have written, in this order; `…` stands for
 *   anything.
 * - `js file=NAME`: written to a file.
 *
 * Ports are replaced by free ones, and `npx sluice` is this checkout's.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { launcher } from '../cli/sluice-process.ts';
import { ended, findProgram } from '../support/programs.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { freePort, patience, sleep } from '../support/waiting.ts';

export interface Fence {
  readonly words: readonly string[];
  readonly text: string;
  readonly line: number;
}

export function fencesOf(page: string): Fence[] {
  const fences: Fence[] = [];
  let open: { words: string[]; lines: string[]; line: number } | null = null;
  for (const [index, text] of page.split('\n').entries()) {
    if (!text.startsWith('```')) open?.lines.push(text);
    else if (open === null) open = { words: text.slice(3).split(' '), lines: [], line: index + 1 };
    else {
      fences.push({ words: open.words, text: `${open.lines.join('\n')}\n`, line: open.line });
      open = null;
    }
  }
  assert.equal(open, null, 'every fence is closed');
  return fences;
}

/** Ports that the pages use for sluice and for origins. */
const PORTS = ['3000', '3001', '3002', '8080', '8081', '8443'];

/** A triage asks a hundred questions, on a machine that runs other tests meanwhile. */
const COMMAND_TIMEOUT_MS = 90_000;

export interface PageRun {
  readonly commands: number;
  /** Why the run ended before the page, or ''. */
  readonly skipped: string;
}

export async function runPage(fences: readonly Fence[]): Promise<PageRun> {
  const directory = temporaryDirectory();
  const ports = new Map<string, number>();
  for (const port of PORTS) ports.set(port, await freePort());
  const withPorts = (text: string) =>
    text.replace(/\b\d{4}\b/g, (port) => String(ports.get(port) ?? port));
  const environment = environmentIn(directory);
  const servers: ChildProcess[] = [];
  let output = '';
  let commands = 0;
  try {
    for (const { words, text, line } of fences) {
      const needed = words.find((word) => word.startsWith('needs='))?.slice('needs='.length);
      if (needed !== undefined && findProgram(needed) === null) {
        return { commands, skipped: `${needed} is not installed` };
      }
      const file = words.find((word) => word.startsWith('file='))?.slice('file='.length);
      const body = withPorts(text);
      if (file !== undefined) writeFileSync(join(directory, file), body);
      if (words[0] === 'text' && words[1] === 'output') assertShows(output, body, line);
      if (words[0] !== 'sh' || words[1] !== 'runnable') continue;
      commands++;
      const child = spawn('bash', ['-c', body], {
        cwd: directory,
        env: environment,
        detached: true,
      });
      servers.push(child);
      if (words.includes('server')) {
        await untilServing(child, text, portsIn(text, ports), line);
      } else {
        output = await outputOf(child, words.includes('fails') ? 2 : 0, line);
      }
    }
    return { commands, skipped: '' };
  } finally {
    await Promise.all(servers.map(endGroup));
    endLeftOver(directory);
  }
}

/** What an upgrade has started is in a group of its own: it is known by where it works. */
function endLeftOver(directory: string): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (readlinkSync(`/proc/${pid}/cwd`) === directory) process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended meanwhile, or is another user's.
    }
  }
}

/** A home and a path of its own, with an `npx` that runs this checkout's sluice. */
function environmentIn(directory: string): NodeJS.ProcessEnv {
  const bin = join(directory, 'bin');
  const home = join(directory, 'home');
  mkdirSync(bin);
  mkdirSync(home);
  const node = process.execPath;
  writeFileSync(join(bin, 'npx'), `#!/bin/sh\nshift\nexec '${node}' '${launcher}' "$@"\n`);
  chmodSync(join(bin, 'npx'), 0o755);
  const path = `${bin}:${dirname(node)}:${process.env.PATH ?? ''}`;
  // What is compiled for one page need not be compiled for the next.
  const { NODE_COMPILE_CACHE } = process.env;
  return { PATH: path, HOME: home, LANG: 'C', NODE_NO_WARNINGS: '1', NODE_COMPILE_CACHE };
}

function portsIn(command: string, ports: ReadonlyMap<string, number>): number[] {
  return [...ports].filter(([port]) => command.includes(port)).map(([, free]) => free);
}

/** What sluice says when it does all that it does: its ports accept before it has read all files. */
const SERVES = /^sluice \S+ (serves|demo)/m;

/** A command that names no port is taken for one that listens on the first. */
async function untilServing(
  child: ChildProcess,
  command: string,
  wanted: number[],
  line: number,
): Promise<void> {
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  // The origin of a page may be left out: sluice starts without it.
  const own = wanted.length > 1 ? wanted.slice(1) : wanted;
  const deadlineMs = performance.now() + patience(COMMAND_TIMEOUT_MS);
  for (const port of own) {
    while (!(await accepts(port))) {
      assert.equal(child.exitCode, null, `line ${line}: it ended:\n${said}`);
      assert.ok(performance.now() < deadlineMs, `line ${line}: nothing listens on ${port}`);
      await sleep(20);
    }
  }
  if (!command.includes('npx sluice')) return;
  while (!SERVES.test(said)) {
    assert.ok(performance.now() < deadlineMs, `line ${line}: it does not serve:\n${said}`);
    await sleep(20);
  }
}

function accepts(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, '127.0.0.1');
  socket.once('connect', () => resolve(true));
  socket.once('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}

async function outputOf(child: ChildProcess, expected: number, line: number): Promise<string> {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  child.stdin?.end();
  const timer = setTimeout(
    () => process.kill(-child.pid!, 'SIGKILL'),
    patience(COMMAND_TIMEOUT_MS),
  );
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.once('close', resolve);
  const code = await promise;
  clearTimeout(timer);
  assert.equal(code, expected, `line ${line}: exit code ${code}:\n${output}`);
  return output;
}

/** Each expected line must be found, after the one before it. Letter case of field names is free. */
function assertShows(output: string, expected: string, line: number): void {
  const lines = output.split(/\r?\n/);
  let at = 0;
  for (const wanted of expected.trimEnd().split('\n')) {
    const pattern = wanted.split('…').map(RegExp.escape).join('.*');
    const found = lines.findIndex(
      (text, index) => index >= at && new RegExp(`^${pattern}`, 'i').test(text),
    );
    assert.notEqual(found, -1, `line ${line}: no line like\n${wanted}\nin\n${output}`);
    at = found + 1;
  }
}

async function endGroup(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const signal = (name: NodeJS.Signals) => {
    try {
      process.kill(-child.pid!, name);
    } catch {
      // It has ended meanwhile.
    }
  };
  signal('SIGTERM');
  const timer = setTimeout(() => signal('SIGKILL'), 15_000);
  await ended(child);
  clearTimeout(timer);
}
