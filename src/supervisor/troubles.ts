/**
 * What is wrong now, as far as the error log has said it: for `sluice status`, `/overview` and the
 * dashboard. An event begins a trouble, another ends it, or time does. Origins have a state of their
 * own, which is read where it is (overview-routes.ts).
 */
import type { LogEvent } from '../telemetry/log-event.ts';

export interface Wrong {
  readonly what: string;
  /** What to do about it. */
  readonly remedy: string;
  /** RFC 3339: when it was met last; null for what is looked at anew each time. */
  readonly at: string | null;
}

interface Kind {
  /** Codes of events that begin it, or say that it lasts. */
  readonly codes: readonly string[];
  /** Codes of events that end it. */
  readonly endedBy?: readonly string[];
  /** As `endedBy`, of the same file, host or whatever stands before the message's first colon. */
  readonly endedForSame?: readonly string[];
  /** Milliseconds after its latest event; without it the trouble lasts until an event ends it. */
  readonly lastsMs?: number;
  readonly remedy: string;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** Longer than from one line of a lasting fault to the next: 30 s of the cache, 60 s of a shortage. */
const REPEATED_LASTS_MS = 2 * MINUTE_MS;
/** What has happened and is over, but that an operator who looks now must hear of. */
const HAPPENED_LASTS_MS = 5 * MINUTE_MS;

/** More troubles at once than anybody reads; the oldest goes. */
const TROUBLES_MAX = 50;

const KINDS: readonly Kind[] = [
  {
    codes: ['reload-refused', 'reload-rolled-back', 'reload-stuck'],
    endedBy: ['reload-done', 'reload-unchanged'],
    remedy:
      'the earlier configuration serves; mend the file (sluice check FILE), then sluice reload',
  },
  {
    codes: [
      'worker-died',
      'worker-hangs',
      'worker-suspected',
      'worker-not-started',
      'worker-start-failed',
      'worker-start-hangs',
      'worker-unreachable',
    ],
    lastsMs: HAPPENED_LASTS_MS,
    remedy: 'sluice incidents list says what is known of it',
  },
  {
    codes: ['cache-disk-full'],
    lastsMs: REPEATED_LASTS_MS,
    remedy: 'make room on that device, or lower --cache-size; responses are served meanwhile',
  },
  {
    codes: ['cache-write-failed', 'cache-index-failed', 'cache-body-damaged', 'cache-disk-slow'],
    lastsMs: REPEATED_LASTS_MS,
    remedy: 'look at the disk of --cache-dir; sluice log --subsystem cache says more',
  },
  {
    codes: ['out-of-resources'],
    lastsMs: REPEATED_LASTS_MS,
    remedy: 'raise the limit (ulimit -n, LimitNOFILE= of systemd), or look for what holds so many',
  },
  {
    codes: ['few-descriptors'],
    remedy: 'raise the limit (ulimit -n, LimitNOFILE= of systemd) and start again',
  },
  {
    codes: ['cluster-away'],
    endedBy: ['cluster-back'],
    remedy: 'start that Redis, or name another with --cluster; early data is refused until then',
  },
  {
    codes: ['cluster-refuses', 'cluster-slow'],
    endedBy: ['cluster-back'],
    lastsMs: MINUTE_MS,
    remedy: 'put it right at that Redis; early data is refused until then',
  },
  {
    codes: ['clock-stepped'],
    lastsMs: HAPPENED_LASTS_MS,
    remedy: 'look at its time service (chronyc tracking, timedatectl)',
  },
  {
    codes: ['certificate-refused', 'certificate-not-good', 'certificate-not-kept'],
    endedBy: ['reload-done'],
    endedForSame: ['certificate-replaced', 'certificate-issued'],
    remedy: 'the earlier certificate is served; put a good one into its file',
  },
  {
    codes: ['certificate-not-issued'],
    endedBy: ['reload-done'],
    endedForSame: ['certificate-issued'],
    remedy: 'sluice certificates why NAME says what is to be done',
  },
  {
    codes: ['ticket-keys-refused'],
    endedBy: ['ticket-keys-changed', 'reload-done'],
    remedy: 'put a good key into that file; the earlier keys are used meanwhile',
  },
  {
    codes: ['ocsp-failed'],
    lastsMs: HOUR_MS,
    remedy: 'can this machine reach the issuer of the certificate?',
  },
  {
    codes: ['handshakes-refused'],
    lastsMs: REPEATED_LASTS_MS,
    remedy: 'sluice handshakes failures says what clients meet',
  },
  {
    codes: ['log-lines-dropped', 'log-rotation-failed', 'log-compression-failed'],
    lastsMs: HAPPENED_LASTS_MS,
    remedy: 'is the disk of the logs full, or too slow?',
  },
  {
    codes: ['upgrade-failed'],
    endedBy: ['upgrade-done'],
    lastsMs: HOUR_MS,
    remedy: 'the earlier version serves; the message says what to mend before another upgrade',
  },
];

/** Their state is looked at where it is. */
const LIVE_ELSEWHERE = /^origin-|^certificate-expires$|^early-data-/;

const byCode = new Map(KINDS.flatMap((kind) => kind.codes.map((code) => [code, kind] as const)));

/** Every other error; there is a line of the log that says what it was. */
const ANY_ERROR: Kind = { codes: [], lastsMs: HAPPENED_LASTS_MS, remedy: 'sluice log says more' };

interface Trouble {
  readonly kind: Kind;
  readonly subject: string;
  readonly what: string;
  readonly worker: number;
  /** By a clock that nobody sets. */
  readonly seenMs: number;
  readonly at: string;
}

export class Troubles {
  readonly #nowMs: () => number;
  /** By code, worker and subject: the oldest first. */
  readonly #present = new Map<string, Trouble>();

  /** `nowMs`: a clock that nobody sets. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** An event of the error log, whether or not its level is written down. */
  note(event: LogEvent): void {
    const { code, level, message } = event;
    this.#endBy(event);
    // What a worker has met ends with it, and whoever takes its place meets it anew.
    if (code === 'worker-died') this.#forgetWorker(Number(event.fields.worker ?? -1));
    const kind = byCode.get(code) ?? (level === 'error' ? ANY_ERROR : undefined);
    if (kind === undefined || LIVE_ELSEWHERE.test(code)) return;
    // Normal operation, as a few descriptors less than there could be.
    if (level === 'info' || level === 'debug') return;
    const { worker } = event;
    const subject = subjectOf(message);
    const key = `${code} ${worker} ${subject}`;
    this.#present.delete(key);
    const at = new Date(event.timeMs).toISOString();
    const [what = ''] = message.split('\n', 1);
    this.#present.set(key, { kind, subject, what, worker, seenMs: this.#nowMs(), at });
    if (this.#present.size > TROUBLES_MAX) this.#present.delete([...this.#present.keys()][0]!);
  }

  /** The latest first. What several workers have met is there once. */
  list(): Wrong[] {
    const nowMs = this.#nowMs();
    const shown = new Map<string, Wrong>();
    for (const [key, { kind, what, seenMs, at }] of [...this.#present].reverse()) {
      if (kind.lastsMs !== undefined && nowMs - seenMs > kind.lastsMs) this.#present.delete(key);
      else if (!shown.has(what)) shown.set(what, { what, remedy: kind.remedy, at });
    }
    return [...shown.values()];
  }

  /** A worker ends what it has met itself, the supervisor what it has. */
  #endBy({ code, worker, message }: LogEvent): void {
    const subject = subjectOf(message);
    for (const [key, one] of this.#present) {
      const { endedBy, endedForSame } = one.kind;
      const isSame = one.subject === subject && endedForSame?.includes(code) === true;
      if (one.worker === worker && (isSame || endedBy?.includes(code) === true)) {
        this.#present.delete(key);
      }
    }
  }

  #forgetWorker(worker: number): void {
    for (const [key, one] of this.#present) if (one.worker === worker) this.#present.delete(key);
  }
}

/** What stands before the first colon: a file, a name, a worker. Numbers that count are not in it. */
function subjectOf(message: string): string {
  return message.split(': ', 1)[0]!.slice(0, 100);
}
