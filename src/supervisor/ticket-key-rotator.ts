/**
 * Keeps the ticket keys of all workers: those of a file, taken in when it changes, those of a cluster,
 * or those of a schedule. What cannot be used is told, and what was active stays.
 */

import { randomBytes } from 'node:crypto';
import { UsageError } from '../base/errors.ts';
import { type OnFault, owned, repeated } from '../base/owned.ts';
import type { ClusterOptions } from '../cluster/options.ts';
import type { TicketKeySync } from '../cluster/ticket-key-sync.ts';
import type { TlsOptions } from '../config/options.ts';
import { readTicketKeyFile } from '../config/ticket-key-file.ts';
import { TICKET_KEY_BYTES } from '../native/ticket-keys.ts';
import { type Report, reportWith } from '../telemetry/log-event.ts';
import type { TicketMetrics } from '../telemetry/ticket-metrics.ts';
import { GENERATION_MS } from '../tls/early-data/strike-register.ts';
import { TICKET_KEYS_MAX, type TicketRing } from '../tls/ticket-ring.ts';
import { FileWatch } from './certificates/certificate-files.ts';
import { TicketSchedule } from './ticket-schedule.ts';

/** Milliseconds between two looks at the schedule and at the file. */
export const TICKET_KEY_POLL_MS = 2_000;

/** Milliseconds that nobody lives to see; messages between processes have no infinity. */
const NEVER_MS = Number.MAX_SAFE_INTEGER;

export interface TicketKeyRotatorInput {
  /** Those that are active. */
  tls(): TlsOptions;
  /** Applies other keys, for new connections everywhere. */
  apply(ring: TicketRing): void;
  /** Of the active options; null for none. */
  cluster(): ClusterOptions | null;
  readonly metrics: TicketMetrics;
  /** Milliseconds of the clock that all processes of the machine share, and nobody sets. */
  readonly nowMs: () => number;
  readonly report: Report;
  /** Has what fails inside of sluice; the next look comes. */
  readonly onFault: OnFault;
}

export class TicketKeyRotator implements Disposable {
  readonly #input: TicketKeyRotatorInput;
  readonly #watch = new FileWatch();
  readonly #schedule: TicketSchedule;
  readonly #startedAtMs: number;
  /** Of the file; null without one. */
  #fileKeys: readonly Buffer[] | null = null;
  /** Of the cluster; null as long as it has said nothing. */
  #clusterKeys: readonly Buffer[] | null = null;
  #share: TicketKeySync | null = null;
  /** With which the share was opened. */
  #cluster: ClusterOptions | null = null;
  /** Keys have been active that a former run may have used, too. */
  #hasPersistentKeys = false;
  #isHandingOver = false;
  /** Of the ring that was applied last, to tell whether there is anything new. */
  #applied: readonly Uint8Array[] = [];
  #rounds: Disposable | null = null;
  #isClosed = false;

  /** Throws UsageError for a file that cannot be used. */
  constructor(input: TicketKeyRotatorInput) {
    this.#input = input;
    this.#startedAtMs = input.nowMs();
    this.#schedule = new TicketSchedule(() => randomBytes(TICKET_KEY_BYTES), this.#startedAtMs);
    const file = input.tls().ticketKeyFile;
    // What there is to warn of has been said with the configuration.
    if (file !== null) this.#takeFile(file);
    this.#applied = this.ring.keys;
    input.metrics.keysInForce(this.#applied.length);
  }

  get ring(): TicketRing {
    const own = this.#schedule.keys;
    // Those of its own still decrypt: tickets were issued under them while there were no others.
    const keys = [...(this.#fileKeys ?? this.#clusterKeys ?? []), ...own];
    // This run's register knows what was accepted since the start. What was accepted before can be
    // replayed for a whole window more.
    const youngUntilMs = this.#isHandingOver ? NEVER_MS : this.#startedAtMs + GENERATION_MS;
    const earlyDataFromMs = this.#hasPersistentKeys ? youngUntilMs : 0;
    return { keys: keys.slice(0, TICKET_KEYS_MAX), earlyDataFromMs };
  }

  /**
   * Another sluice is being started in place of this one, with the same keys and a register of its
   * own, which waits a window from its start. What we accepted from then on, while it starts and on
   * connections that we finish, it would accept again.
   */
  handOver(isHandingOver: boolean): void {
    if (isHandingOver === this.#isHandingOver) return;
    this.#isHandingOver = isHandingOver;
    if (this.#hasPersistentKeys) this.#input.apply(this.ring);
  }

  /** Looks again and again from now on. */
  start(): void {
    const { onFault } = this.#input;
    owned(this.#joinCluster(), onFault);
    this.#rounds = repeated(TICKET_KEY_POLL_MS, () => this.#round(), onFault);
  }

  async #round(): Promise<void> {
    await this.look();
    // Where joining has failed, it is tried again.
    if (!this.#isClosed) await this.#joinCluster();
  }

  /** One look at everything. */
  async look(): Promise<void> {
    const { tls, nowMs } = this.#input;
    const { ticketRotationMs, ticketLifetimeSeconds, ticketKeyFile } = tls();
    const lifetimeMs = ticketLifetimeSeconds * 1_000;
    if (this.#schedule.turn(nowMs(), { rotationMs: ticketRotationMs, lifetimeMs })) {
      this.#apply('schedule');
    }
    if (ticketKeyFile === null) return;
    const isChanged = await this.#watch.haveChanged([ticketKeyFile]);
    if (isChanged && !this.#isClosed) this.#retakeFile(ticketKeyFile);
  }

  /** Keys of a file are the operator's to share. */
  async #joinCluster(): Promise<void> {
    const { cluster, tls, metrics } = this.#input;
    const wanted = tls().ticketKeyFile === null ? cluster() : null;
    if (wanted?.url === this.#cluster?.url) return;
    this.#share?.[Symbol.dispose]();
    this.#share = null;
    this.#cluster = wanted;
    this.#clusterKeys = null;
    metrics.clusterConnected('keys', false);
    if (wanted === null) return;
    try {
      const { TicketKeySync: Share } = await import('../cluster/ticket-key-sync.ts');
      if (!this.#isClosed && this.#cluster === wanted) this.#share = this.#shareOf(wanted, Share);
    } catch (error) {
      if (this.#cluster === wanted) this.#cluster = null;
      throw error;
    }
  }

  #shareOf(options: ClusterOptions, Share: typeof TicketKeySync): TicketKeySync {
    const { tls, metrics, report, onFault } = this.#input;
    return new Share({
      options,
      times: () => {
        const { ticketRotationMs, ticketLifetimeSeconds } = tls();
        return { rotationMs: ticketRotationMs, lifetimeMs: ticketLifetimeSeconds * 1_000 };
      },
      onKeys: (keys) => {
        this.#clusterKeys = keys;
        this.#apply('cluster');
      },
      metrics,
      report: reportWith(report, { subsystem: 'cluster', event: 'cluster-keys' }),
      onFault,
    });
  }

  /** The configuration was read again. */
  adopt(): void {
    owned(this.#joinCluster(), this.#input.onFault);
    const file = this.#input.tls().ticketKeyFile;
    if (file !== null) {
      this.#retakeFile(file);
      return;
    }
    this.#fileKeys = null;
    this.#apply('schedule');
  }

  #retakeFile(file: string): void {
    const { metrics, report } = this.#input;
    try {
      for (const warning of this.#takeFile(file)) {
        report(`ticket keys: ${warning}`, { level: 'warning', event: 'ticket-keys-warning' });
      }
      this.#apply('file');
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      metrics.keysChanged('failed');
      report(`ticket keys: ${error.message}; those that were in use stay. ${error.remedy}`, {
        level: 'error',
        event: 'ticket-keys-refused',
      });
    }
  }

  /** Returns what an operator should know of the file. */
  #takeFile(file: string): readonly string[] {
    const { keys, warnings } = readTicketKeyFile(file);
    this.#fileKeys = keys;
    this.#hasPersistentKeys = true;
    return warnings;
  }

  /** Applies the ring, unless it is already. */
  #apply(source: 'schedule' | 'file' | 'cluster'): void {
    const { ring } = this;
    const isSame =
      ring.keys.length === this.#applied.length &&
      ring.keys.every((key, i) => Buffer.compare(key, this.#applied[i]!) === 0);
    if (isSame) return;
    this.#applied = ring.keys;
    const { metrics, apply, report } = this.#input;
    metrics.keysChanged(source);
    metrics.keysInForce(ring.keys.length);
    apply(ring);
    report(`ticket keys: changed by the ${source}; ${ring.keys.length} active`, {
      event: 'ticket-keys-changed',
    });
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#share?.[Symbol.dispose]();
    this.#rounds?.[Symbol.dispose]();
  }
}
