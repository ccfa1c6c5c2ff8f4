/**
 * Tells the operator which handshakes with clients fail: each kind at once when it is met first, with
 * an example, and then summed up. Bounded, because strangers choose how they fail.
 */
import { harmlessLine } from '../../base/harmless-text.ts';
import type { Report } from '../../telemetry/log-event.ts';
import type { HandshakeRecord } from '../../tls/contract.ts';

/** Lines of one kind are at least this far apart. Milliseconds. */
export const REFUSED_LINE_INTERVAL_MS = 60_000;
/** Kinds that are told apart; all others have no lines. */
const KINDS_MAX = 64;

/** The client went away: port scanners and health checks do, and networks that break. */
const UNTOLD = new Set([
  'tls-handshake-not-begun',
  'tls-handshake-cut',
  'tls-handshake-abandoned',
  'tls-truncated',
]);

const WORDS: Readonly<Record<string, string>> = {
  'tls-not-tls': 'the first bytes are no TLS, as of plain HTTP on this port',
  'tls-version-unsupported': 'no TLS version in common',
  'tls-no-shared-cipher': 'no cipher suite in common',
  'tls-no-shared-group': 'no key exchange group in common',
  'tls-no-shared-signature-scheme': 'no signature scheme fits the key of the certificate',
  'tls-no-application-protocol': 'no application protocol in common (ALPN)',
  'tls-client-certificate-missing':
    'the client has shown no certificate, and the host requires one',
  'tls-certificate-untrusted': "the client's certificate leads to no trusted root",
  'tls-certificate-expired': "the client's certificate has expired",
  'tls-handshake-timeout': 'it took too long',
};

interface Kind {
  toldMs: number;
  /** Since the last line. */
  untold: number;
}

export class RefusedHandshakes {
  readonly #nowMs: () => number;
  readonly #report: Report;
  readonly #kinds = new Map<string, Kind>();

  /** `nowMs`: monotonic. */
  constructor(nowMs: () => number, report: Report) {
    this.#nowMs = nowMs;
    this.#report = report;
  }

  note(record: HandshakeRecord, remote: string): void {
    const { outcome, errorCode, alert, alertSentBy, blame, serverName } = record;
    // What is our own fault has a line of its own.
    if (outcome === 'complete' || blame === 'self' || UNTOLD.has(errorCode)) return;
    const isAlert = errorCode === 'tls-alert-received' && alertSentBy === 'peer';
    const kind = this.#kindOf(isAlert ? `${errorCode} ${alert}` : errorCode);
    if (kind === null) return;
    kind.untold++;
    const nowMs = this.#nowMs();
    if (nowMs - kind.toldMs < REFUSED_LINE_INTERVAL_MS) return;
    const words = isAlert ? `the client refuses ours (alert ${alert})` : WORDS[errorCode];
    const name = serverName === '' ? '' : ` for ${harmlessLine(serverName)}`;
    const times = kind.untold === 1 ? '' : `${kind.untold} `;
    const what = kind.untold === 1 ? 'a TLS handshake fails' : 'TLS handshakes failed';
    this.#report(`${times}${what}: ${words ?? errorCode} (from ${remote}${name})`, {
      level: 'notice',
      event: 'handshakes-refused',
      fields: { error: errorCode, alert, remote, server_name: serverName, failures: kind.untold },
    });
    kind.toldMs = nowMs;
    kind.untold = 0;
  }

  #kindOf(key: string): Kind | null {
    const known = this.#kinds.get(key);
    if (known !== undefined) return known;
    if (this.#kinds.size >= KINDS_MAX) return null;
    const kind = { toldMs: Number.NEGATIVE_INFINITY, untold: 0 };
    this.#kinds.set(key, kind);
    return kind;
  }
}
