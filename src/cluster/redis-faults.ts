/** What a Redis says instead of an answer, in words for the operator. */
import type { Report } from '../telemetry/log-event.ts';

/** Milliseconds between two lines of one kind: every ClientHello with early data may bring one. */
export const FAULT_LINE_MS = 30_000;

/** By the first word of the reply, what is the matter and what to do. */
const meanings: Readonly<Record<string, string>> = {
  OOM: 'its memory is full (maxmemory): give it more',
  READONLY: 'it is a replica, which cannot be written to: name its primary',
  LOADING: 'it is still reading its data',
  NOAUTH: 'it asks for a password: write it into the URL',
  WRONGPASS: 'name or password of the URL are wrong',
  NOPERM: 'this user may not do what is asked: see its ACL',
  CLUSTERDOWN: 'its cluster is down',
  MASTERDOWN: 'it is a replica that has lost its primary',
  NOREPLICAS: 'it has too few replicas to be written to (min-replicas-to-write)',
  MISCONF: 'it cannot save its data, and so takes no more',
  BUSY: 'a script keeps it busy',
  'ERR max number of clients reached': 'it has all the clients that it may have (maxclients)',
};

export interface RedisRefusal {
  /** OOM, READONLY …; ERR for what has no word of its own. */
  readonly kind: string;
  readonly text: string;
}

/** Null for an error that is no reply: the connection has gone, or nobody answered. */
export function refusalIn(error: unknown): RedisRefusal | null {
  const {
    name,
    message = '',
    previousErrors = [],
  } = error as Error & {
    readonly previousErrors?: readonly Error[];
  };
  // Of a transaction, the command that was refused says why.
  const [first] = previousErrors;
  if (first !== undefined) return refusalIn(first);
  const reply = replyIn(name, message);
  if (reply === null) return null;
  const kind = /^[A-Z]+/.exec(reply)?.[0] ?? 'ERR';
  const long = Object.keys(meanings).find((key) => reply.startsWith(key));
  return { kind, text: meanings[long ?? kind] ?? reply.slice(0, 200) };
}

/** What ioredis asks at the start of a connection is refused in an error of its own. */
function replyIn(name: string, message: string): string | null {
  if (name === 'ReplyError') return message;
  return /^Ready check failed: ([A-Z]{2,} .*)$/s.exec(message)?.[1] ?? null;
}

/** Tells each kind once in a while. */
export class RefusalReporter {
  readonly #report: Report;
  readonly #nowMs: () => number;
  readonly #toldMs = new Map<string, number>();

  constructor(report: Report, nowMs: () => number) {
    this.#report = report;
    this.#nowMs = nowMs;
  }

  note(place: string, { kind, text }: RedisRefusal): void {
    const nowMs = this.#nowMs();
    if (nowMs - (this.#toldMs.get(kind) ?? Number.NEGATIVE_INFINITY) < FAULT_LINE_MS) return;
    this.#toldMs.set(kind, nowMs);
    this.#report(`cluster: ${place} answers ${kind}: ${text}; early data is refused`, {
      level: 'warning',
      event: 'cluster-refuses',
      fields: { answer: kind },
    });
  }
}
