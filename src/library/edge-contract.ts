/** What `edge` gives. */
import type { EdgeOptions } from './edge-options.ts';

/** What to remove from the cache: one of the five. */
export type PurgeTarget = (
  | { readonly url: string }
  | { readonly prefix: string }
  | { readonly host: string }
  | { readonly tag: string }
  | { readonly all: true }
) & {
  /** Keeps it as stale, to be revalidated: the app need not send again what has not changed. */
  readonly soft?: boolean;
};

/** What a purge has done. */
export interface PurgeResult {
  /** Stored responses that were removed; null for those that are found out bit by bit. */
  readonly purged: number | null;
  readonly soft: boolean;
}

/** Where it listens: the ports that it got. */
export interface EdgeAddresses {
  /** URLs without a trailing slash, or `unix:PATH`, in the order of the options. */
  readonly http: readonly string[];
  readonly https: readonly string[];
  /** `HOST:PORT` or `unix:PATH`; null where sluice cannot run. */
  readonly admin: string | null;
}

/** A running sluice, and the app behind it. */
export interface Edge extends AsyncDisposable {
  /** The first address: with TLS when there is one. */
  readonly url: string;
  readonly addresses: EdgeAddresses;
  /** SHA-256 fingerprints of the certificates, as `AA:BB:…`. */
  readonly certificates: readonly string[];
  /** sluice's process; null where it cannot run. */
  readonly pid: number | null;
  /**
   * Removes stored responses in all workers before it resolves. Rejects when a URL is none. Tags are
   * the members of `Cache-Tag` and `Surrogate-Key`.
   */
  purge(what: PurgeTarget): Promise<PurgeResult>;
  /** All metrics, as Prometheus reads them. */
  metrics(): Promise<string>;
  /**
   * Applies what has changed in files, such as certificates, and the new `config` when one is given.
   * Rejects, and changes nothing, when there is a mistake in it.
   */
  reload(config?: EdgeOptions['config']): Promise<void>;
  /**
   * Accepts no more, finishes what runs (for `drain-timeout` at most), then closes the app's server if
   * `edge` has opened it. May be called twice.
   */
  close(): Promise<void>;
  /** Resolves when it has been closed; rejects when sluice has ended by itself. */
  readonly closed: Promise<void>;
}
