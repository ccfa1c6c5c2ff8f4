/**
 * `sluice import … --compare OLD_URL --urls FILE`: both servers are asked for the same, byte for byte as
 * it is written, and what differs in their answers is told.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { UsageError } from '../../base/errors.ts';

export interface UrlQuestion {
  readonly method: string;
  /** As it goes into the request line. */
  readonly target: string;
  /** '' for the name of the server that is asked. */
  readonly host: string;
}

interface Answer {
  /** 0 when there was none. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Of the body, by SHA-256. */
  readonly digest: string;
}

export interface Difference {
  readonly question: UrlQuestion;
  /** `status`, `location`, a header's name, or `body`. */
  readonly what: string;
  readonly before: string;
  readonly after: string;
}

/** What is never the same, or says who answered. */
const NEVER_ALIKE = new Set([
  'age',
  'alt-svc',
  'cache-status',
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'proxy-status',
  'server',
  'transfer-encoding',
  'via',
]);

/** One that does not answer is asked no longer than this. */
const ANSWER_TIMEOUT_MS = 10_000;
/** Longer bodies are compared by their beginning. */
const BODY_BYTES_MAX = 16 * 1024 * 1024;
/** Beyond it a list is a load test, which this is not. */
const QUESTIONS_MAX = 10_000;

/** A line each: `/path`, `https://example.org/path`, and with a method before it `HEAD /path`. */
export function questionsOf(file: string): UrlQuestion[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(
      `--urls ${file}: cannot be read (${code})`,
      'name a file with a URL a line',
    );
  }
  const lines = text.split('\n').map((line) => line.trim());
  const questions = lines.filter((line) => line !== '' && !line.startsWith('#')).map(questionOf);
  if (questions.length <= QUESTIONS_MAX) return questions;
  throw new UsageError(`--urls ${file}: more than ${QUESTIONS_MAX} lines`, 'leave some out');
}

function questionOf(line: string): UrlQuestion {
  const match = /^(?:([A-Z]+)\s+)?(?:https?:\/\/([^/?#\s]+))?(\/[\x21-\x7e]*)?$/.exec(line);
  if (match === null) {
    throw new UsageError(
      `--urls: no URL: ${line}`,
      'write /path or http://example.org/path, a line each',
    );
  }
  const [, method = 'GET', host = '', target = '/'] = match;
  return { method, host, target };
}

/** One question after the other: a comparison is no load. */
export async function compareServers(
  before: URL,
  after: URL,
  questions: readonly UrlQuestion[],
): Promise<Difference[]> {
  const found: Difference[] = [];
  for (const question of questions) {
    const [a, b] = await Promise.all([askServer(before, question), askServer(after, question)]);
    found.push(...differencesOf(question, a, b));
  }
  return found;
}

function differencesOf(question: UrlQuestion, a: Answer, b: Answer): Difference[] {
  const found: Difference[] = [];
  const compare = (what: string, before: string, after: string) => {
    if (before !== after) found.push({ question, what, before, after });
  };
  compare('status', String(a.status), String(b.status));
  const names = new Set([...Object.keys(a.headers), ...Object.keys(b.headers)]);
  // Errors have each server's own words.
  const isOwn = a.status >= 300 && b.status >= 300;
  for (const name of [...names].toSorted()) {
    if (NEVER_ALIKE.has(name) || (isOwn && name !== 'location')) continue;
    compare(name, a.headers[name] ?? '', b.headers[name] ?? '');
  }
  if (!isOwn && a.status === b.status) compare('body', a.digest, b.digest);
  return found;
}

export function askServer(server: URL, { method, target, host }: UrlQuestion): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>();
  const none = (reason: string) => resolve({ status: 0, headers: { error: reason }, digest: '' });
  const name = host === '' ? server.host : host;
  const options = {
    method,
    path: target,
    host: server.hostname.replace(/^\[|\]$/g, ''),
    port: server.port,
    headers: { host: name, accept: '*/*' },
    agent: false,
    timeout: ANSWER_TIMEOUT_MS,
  };
  const take = (response: IncomingMessage) => answerOf(response, resolve, none);
  // Certificates are for names, and old and new server are asked by address.
  const request =
    server.protocol === 'https:'
      ? requestHttps(
          { ...options, servername: name.replace(/:\d+$/, ''), rejectUnauthorized: false },
          take,
        )
      : requestHttp(options, take);
  request.on('timeout', () => request.destroy(new Error('no answer in time')));
  request.on('error', (error) => none(error.message));
  request.end();
  return promise;
}

function answerOf(
  response: IncomingMessage,
  resolve: (answer: Answer) => void,
  none: (reason: string) => void,
): void {
  const hash = createHash('sha256');
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    if (bytes < BODY_BYTES_MAX) hash.update(chunk);
    bytes += chunk.length;
  });
  response.on('error', (error) => none(error.message));
  response.on('end', () => {
    const entries = Object.entries(response.headers).map(([name, value]) => {
      return [name, String(value)] as const;
    });
    resolve({
      status: response.statusCode ?? 0,
      headers: Object.fromEntries(entries),
      digest: hash.digest('hex').slice(0, 16),
    });
  });
}

export function differenceText({ question, what, before, after }: Difference): string {
  const { method, host, target } = question;
  const told = (text: string) => (text === '' ? 'none' : text);
  return `${method} ${host}${target}: ${what}: ${told(before)} → ${told(after)}`;
}
