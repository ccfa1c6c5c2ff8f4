/**
 * A server that fails, as an operator is to hear of it: at once when it begins, summed up while it
 * lasts, and once more when it is over. Pure, with the time as an argument.
 *
 * A server of which one request in a hundred fails is in trouble all the while: it is over when nothing
 * has failed for a time and something has succeeded since.
 */

import type { RequestHead } from '../http/message.ts';

/** Characters of a request in a line for an operator. */
const REQUEST_CHARACTERS_MAX = 120;

/** Milliseconds without a failure after which trouble is over, once a request has succeeded. */
export const CALM_MS = 10_000;
/** Milliseconds from the first line to the first sum. */
const FIRST_SUM_MS = 10_000;
/** Milliseconds from one sum to the next. */
const NEXT_SUM_MS = 60_000;

/** Answers with a status of 500 and above, in a row, that are trouble: one is an application's own affair. */
export const BAD_ANSWERS_MAX = 5;

/** In place of an error's code: several answers with a status of 500 and above. */
export const BAD_ANSWERS = 'bad-answers';

/**
 * What went wrong, in short: by codes of docs/reference/errors.md. The place of each is what workers
 * tell the supervisor; 0 is for all others.
 */
const KINDS: readonly (readonly [code: string, text: string])[] = [
  ['', 'its requests fail'],
  ['connection-refused', 'connection refused'],
  ['connection-reset', 'connection reset'],
  ['connection-closed', 'connection closed before an answer'],
  ['connection-timed-out', 'connection timed out'],
  ['connect-timeout', 'no connection within the time limit'],
  ['connection-failed', 'no connection'],
  ['read-timeout', 'no answer within the time limit'],
  ['response-incomplete', 'answers break off'],
  ['dns-error', 'its name has no address'],
  ['dns-timeout', 'no name server answers'],
  [BAD_ANSWERS, 'it answers with errors'],
];

export function troubleNumber(code: string): number {
  return Math.max(
    0,
    KINDS.findIndex(([one]) => one === code),
  );
}

/** For a number of `troubleNumber`. */
export function troubleText(number: number): string {
  return (KINDS[number] ?? KINDS[0]!)[1];
}

/** What went wrong with one attempt. */
export interface AttemptFailure {
  /** A code of docs/reference/errors.md, or BAD_ANSWERS. */
  readonly code: string;
  readonly message: string;
  /** The client's request, as `GET example.org/path`, without its query. */
  readonly request: string;
}

export type TroubleNews =
  | { readonly kind: 'begins'; readonly failure: AttemptFailure }
  | {
      readonly kind: 'lasts';
      readonly failure: AttemptFailure;
      readonly failures: number;
      readonly lastedMs: number;
    }
  | { readonly kind: 'ends'; readonly failures: number; readonly lastedMs: number };

/** A worker whose last failure is this old believes another one that succeeds. Milliseconds. */
const QUIET_MS = 3_000;

export class Trouble {
  /** When a request succeeded last, whether or not there was trouble. */
  succeededMs = Number.NEGATIVE_INFINITY;
  readonly #tell: (news: TroubleNews) => void;
  /** Null while all is well. */
  #present: {
    readonly sinceMs: number;
    failures: number;
    failedMs: number;
    succeededMs: number;
    toldMs: number;
    failure: AttemptFailure;
    failuresTold: number;
    /** Kinds of failures that have been told, of which there are as many as codes of errors. */
    readonly codes: Set<string>;
  } | null = null;

  constructor(tell: (news: TroubleNews) => void) {
    this.#tell = tell;
  }

  /** What went wrong last, and since when anything has; null while all is well. */
  get present(): { readonly sinceMs: number; readonly failure: AttemptFailure } | null {
    return this.#present;
  }

  failed(failure: AttemptFailure, nowMs: number): void {
    if (this.#present === null) {
      const counts = { failures: 1, failuresTold: 1 };
      const times = { sinceMs: nowMs, failedMs: nowMs, succeededMs: -1, toldMs: nowMs };
      this.#present = { ...counts, ...times, failure, codes: new Set([failure.code]) };
      this.#tell({ kind: 'begins', failure });
      return;
    }
    if (!this.#present.codes.has(failure.code)) {
      this.#present.codes.add(failure.code);
      this.#present.failuresTold++;
      this.#tell({ kind: 'begins', failure });
    }
    this.#present.failures++;
    this.#present.failedMs = nowMs;
    this.#present.failure = failure;
  }

  /** Another worker's requests succeed: one that is asked nothing any more would fail for ever. */
  succeededElsewhere(nowMs: number): void {
    if (this.#present !== null && nowMs - this.#present.failedMs >= QUIET_MS) this.succeeded(nowMs);
  }

  succeeded(nowMs: number): void {
    this.succeededMs = nowMs;
    const present = this.#present;
    // The first since the last failure: that is when it was over.
    if (present !== null && present.succeededMs < present.failedMs) present.succeededMs = nowMs;
  }

  /** Called about once a second. */
  sweep(nowMs: number): void {
    const present = this.#present;
    if (present === null) return;
    const { sinceMs, failures, failedMs, succeededMs, toldMs, failure, failuresTold } = present;
    if (succeededMs >= failedMs && nowMs - failedMs >= CALM_MS) {
      this.#present = null;
      this.#tell({ kind: 'ends', failures, lastedMs: succeededMs - sinceMs });
      return;
    }
    const waitMs = toldMs === sinceMs ? FIRST_SUM_MS : NEXT_SUM_MS;
    if (nowMs - toldMs < waitMs || failures === failuresTold) return;
    present.toldMs = nowMs;
    present.failuresTold = failures;
    const news = { failure, failures: failures - failuresTold, lastedMs: nowMs - sinceMs };
    this.#tell({ kind: 'lasts', ...news });
  }
}

/** For people: without the query, in which there may be secrets. */
export function requestText({ method, authority, path }: RequestHead): string {
  const place = `${authority.text}${path.split('?', 1)[0]}`;
  const isLong = place.length > REQUEST_CHARACTERS_MAX;
  return `${method} ${isLong ? `${place.slice(0, REQUEST_CHARACTERS_MAX)}…` : place}`;
}
