/** sluice as a child process: starts it, hears where it serves, asks its admin endpoint, ends it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { type IncomingMessage, request } from 'node:http';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { runtimeEnvironment } from '../../bin/libatomic.js';
import { chooseRuntime } from '../../bin/runtime.js';
import { START_DESCRIPTOR, type StartMessage } from '../base/start-message.ts';

const launcher = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url));

/** After standard input, output and error. */
const START_FD = 3;
/** Milliseconds: a start that takes longer has gone wrong. */
const START_TIMEOUT_MS = 60_000;
/** Milliseconds beyond the time of a drain after which it is killed. */
const STOP_GRACE_MS = 15_000;
/** Characters of what it said last that an error holds. */
const WORDS_MAX = 4_000;
/** Milliseconds for an answer of the admin endpoint. */
const ANSWER_TIMEOUT_MS = 15_000;

export interface SluiceProcess {
  readonly serving: StartMessage;
  /** Resolves with its exit code, or the name of the signal that ended it. */
  readonly ended: Promise<number | string>;
  /** SIGTERM, and SIGKILL for one that does not end. Resolves when it has ended. */
  stop(): Promise<void>;
}

/** Resolves when it serves. Rejects with its own words when it does not. */
export async function startSluice(
  words: readonly string[],
  log: 'inherit' | 'ignore',
): Promise<SluiceProcess> {
  const chosen = chooseRuntime((text) => process.stderr.write(`sluice: ${text}\n`));
  if ('refusal' in chosen) throw new Error(`sluice ${chosen.refusal}`);
  const flags = ['--disable-warning=ExperimentalWarning', launcher, ...words];
  const child = spawn(chosen.binary, flags, {
    // A group of its own: a terminal's Ctrl-C is ours to pass on. The channel carries nothing: when
    // we are killed it closes, and sluice ends.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...runtimeEnvironment(), [START_DESCRIPTOR]: String(START_FD) },
  });
  const ended = new Promise<number | string>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(signal ?? code ?? 0));
  });
  const serving = await started(child, ended, wordsOf(child, log));
  // The app's own life is not held up by it.
  child.unref();
  child.channel?.unref();
  for (const stream of [child.stderr, child.stdio[START_FD]]) (stream as Unrefable)?.unref?.();
  return { serving, ended, stop: () => stop(child, ended) };
}

interface Unrefable {
  unref?(): void;
}

/** What it says, passed on; the last of it. */
function wordsOf(child: ChildProcess, log: 'inherit' | 'ignore'): () => string {
  let last = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    last = (last + text).slice(-WORDS_MAX);
    if (log === 'inherit') process.stderr.write(text);
  });
  return () => last;
}

function started(
  child: ChildProcess,
  ended: Promise<number | string>,
  words: () => string,
): Promise<StartMessage> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`sluice did not serve within ${START_TIMEOUT_MS / 1000} s\n${words()}`));
    }, START_TIMEOUT_MS);
    const line = child.stdio[START_FD] as Readable;
    line.setEncoding('utf8').once('data', (text: string) => {
      clearTimeout(timer);
      resolve(JSON.parse(text) as StartMessage);
    });
    ended.then(
      (how) => {
        clearTimeout(timer);
        // Its last words may be on their way.
        setImmediate(() => reject(new Error(`sluice ended at its start (${how})\n${words()}`)));
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

async function stop(child: ChildProcess, ended: Promise<number | string>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
  await ended;
  clearTimeout(timer);
}

/** An answer of the admin endpoint. Rejects with what it says when it refuses. */
export async function askSluice(
  where: string,
  path: string,
  body?: Readonly<Record<string, unknown>>,
): Promise<string> {
  const target = where.startsWith('unix:')
    ? { socketPath: where.slice('unix:'.length) }
    : {
        host: where.slice(0, where.lastIndexOf(':')),
        port: Number(where.slice(where.lastIndexOf(':') + 1)),
      };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request({
      ...target,
      path,
      method: body === undefined ? 'GET' : 'POST',
      headers: { host: 'localhost', 'content-type': 'application/json' },
      timeout: ANSWER_TIMEOUT_MS,
      agent: false,
    });
    outgoing.on('response', resolve).on('error', reject);
    outgoing.on('timeout', () => outgoing.destroy(new Error('sluice does not answer')));
    outgoing.end(body === undefined ? '' : JSON.stringify(body));
  });
  response.setEncoding('utf8');
  let text = '';
  for await (const chunk of response) text += chunk as string;
  if (response.statusCode === 200) return text;
  throw new Error(`sluice refused ${path}: ${errorIn(text)}`);
}

function errorIn(text: string): string {
  try {
    return (JSON.parse(text) as { error?: string }).error ?? text;
  } catch {
    return text.trim();
  }
}
