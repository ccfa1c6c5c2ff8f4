/**
 * Who is told of ended handshakes: metrics, logs, fingerprints. Each gets the immutable record after
 * the fact, outside of OpenSSL, behind a rollback of its own: one that throws or takes too long is cut
 * off and named, and the handshake never notices.
 */
import type { HandshakeRecord } from '../../tls/contract.ts';
import { type FeatureName, featureTable } from '../../tls/features.ts';
import type { TraceRecorder } from '../../tls/trace-recorder.ts';
import { defaultObserverLimits, type ObserverLimits } from './observer-limits.ts';

/** Whose handshake it was. */
export interface ObservedConnection {
  /** An IP address, or `unix`. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localPort: number;
  /** The records of the ClientHello as they came, or null. */
  readonly clientHello: Uint8Array | null;
}

/** What is known beside the record. Valid during the call only. */
export interface HandshakeScene {
  readonly connection: ObservedConnection;
  /** JA4 of the client; '' when nobody wants it, or there was no ClientHello. */
  fingerprint: string;
}

export interface HandshakeObserver {
  /** Also the name of the feature that switches it off. */
  readonly name: FeatureName;
  observe(record: HandshakeRecord, scene: HandshakeScene): void;
}

/** `cut-off`: because of its faults. `off`: by the configuration. */
export type ObserverFate = 'armed' | 'cut-off' | 'off';

/** A fault is an exception, or a call that took too much processor time. */
export type ObserverFault = 'threw' | 'overran';

export interface ObserverState {
  readonly name: string;
  /** False when it was cut off. */
  readonly isArmed: boolean;
  readonly faults: number;
  /** The last fault in words, or ''. */
  readonly lastFault: string;
}

export interface HandshakeObserversInput {
  readonly observers: readonly HandshakeObserver[];
  readonly limits?: ObserverLimits;
  readonly monotonicMs: () => number;
  /** Processor time of this thread, so that being preempted is no fault. */
  readonly processorMs: () => number;
  /** Told before an observer runs and after it, by its place in the table of features. */
  readonly marks?: Pick<TraceRecorder, 'enterObserver' | 'leaveObserver'>;
  onFault(name: string, fault: ObserverFault): void;
  onFate(name: string, fate: ObserverFate): void;
  /** One line for the operator. */
  report(message: string): void;
}

/** One worker's. It outlives any configuration, and so do the rollbacks of those that stay switched on. */
export class HandshakeObservers {
  readonly #input: HandshakeObserversInput;
  /** Of all observers, on or off. */
  readonly #rollbacks: readonly Rollback[];
  #on: readonly Rollback[];

  constructor(input: HandshakeObserversInput) {
    this.#input = input;
    const limits = input.limits ?? defaultObserverLimits;
    this.#rollbacks = input.observers.map((observer) => new Rollback(observer, limits));
    this.#on = this.#rollbacks;
    for (const { name } of input.observers) input.onFate(name, 'armed');
  }

  /**
   * Another configuration is active. What was disabled after faults stays so as long as it is
   * configured: a reload that is about something else must not bring a fault back. An operator who
   * has mended it disables it by one reload, and enables it by a later one.
   */
  adopt(isOn: (name: FeatureName) => boolean): void {
    const before = this.#on;
    this.#on = this.#rollbacks.filter(({ observer }) => isOn(observer.name));
    for (const rollback of this.#rollbacks) {
      const isNow = this.#on.includes(rollback);
      if (isNow && !before.includes(rollback)) rollback.renew();
      const fate = !isNow ? 'off' : rollback.isArmed ? 'armed' : 'cut-off';
      this.#input.onFate(rollback.observer.name, fate);
    }
  }

  /** Tells every armed observer, in order. Never throws. */
  notify(record: HandshakeRecord, connection: ObservedConnection): void {
    const { monotonicMs, processorMs, marks } = this.#input;
    const scene: HandshakeScene = { connection, fingerprint: '' };
    let processorAtMs = processorMs();
    for (let i = 0; i < this.#on.length; i++) {
      const rollback = this.#on[i]!;
      if (!rollback.isArmed) continue;
      const startedMs = monotonicMs();
      marks?.enterObserver(rollback.number);
      try {
        rollback.observer.observe(record, scene);
      } catch (error) {
        this.#onFault(
          rollback,
          'threw',
          error instanceof Error ? String(error) : 'it threw no error',
        );
        continue;
      } finally {
        marks?.leaveObserver(rollback.number);
      }
      rollback.called();
      if (monotonicMs() - startedMs <= rollback.limits.callMs) continue;
      const usedMs = processorMs() - processorAtMs;
      processorAtMs += usedMs;
      if (usedMs <= rollback.limits.callMs || rollback.isWarmingUp) continue;
      this.#onFault(rollback, 'overran', `a call took ${usedMs.toFixed(1)} ms of processor time`);
    }
  }

  /** Calls an observer again that was cut off. False when there is none of that name. */
  rearm(name: string): boolean {
    const rollback = this.#on.find(({ observer }) => observer.name === name);
    if (rollback === undefined) return false;
    rollback.reset();
    this.#input.onFate(name, 'armed');
    return true;
  }

  get states(): ObserverState[] {
    return this.#on.map(({ observer, isArmed, faults, lastFault }) => {
      return { name: observer.name, isArmed, faults, lastFault };
    });
  }

  #onFault(rollback: Rollback, fault: ObserverFault, words: string): void {
    const { onFault, onFate, monotonicMs, report } = this.#input;
    const { name } = rollback.observer;
    onFault(name, fault);
    if (!rollback.blows(fault, words, monotonicMs())) return;
    onFate(name, 'cut-off');
    const { faultsMax, windowMs } = rollback.limits;
    report(
      `observer ${name} is disabled after ${faultsMax} faults within ${windowMs / 1000} s, ` +
        `the last: ${words}; handshakes continue without it until it is enabled again`,
    );
  }
}

class Rollback {
  readonly observer: HandshakeObserver;
  readonly number: number;
  readonly limits: ObserverLimits;
  isArmed = true;
  /** Of all time. */
  faults = 0;
  lastFault = '';
  #calls = 0;
  /** Calls and faults since the window began. */
  #windowCalls = 0;
  #windowFaults = 0;
  #windowThrows = 0;
  #windowEndsMs = 0;

  constructor(observer: HandshakeObserver, limits: ObserverLimits) {
    this.observer = observer;
    this.number = featureTable.findIndex(({ name }) => name === observer.name);
    this.limits = limits;
  }

  called(): void {
    this.#calls++;
    this.#windowCalls++;
  }

  get isWarmingUp(): boolean {
    return this.#calls <= this.limits.warmUpCalls;
  }

  /** Notes a fault; whether it was the one too many. */
  blows(fault: ObserverFault, words: string, nowMs: number): boolean {
    const { faultsMax, overrunOneIn, windowMs } = this.limits;
    this.faults++;
    this.lastFault = words;
    if (nowMs >= this.#windowEndsMs) {
      this.#windowFaults = 0;
      this.#windowThrows = 0;
      this.#windowCalls = 0;
      this.#windowEndsMs = nowMs + windowMs;
    }
    this.#windowFaults++;
    if (fault === 'threw') this.#windowThrows++;
    const isOften = this.#windowFaults * overrunOneIn >= this.#windowCalls;
    if (this.#windowThrows < faultsMax && !(this.#windowFaults >= faultsMax && isOften))
      return false;
    this.isArmed = false;
    return true;
  }

  reset(): void {
    this.isArmed = true;
    this.#windowEndsMs = 0;
  }

  /** As if it had never been called. */
  renew(): void {
    this.reset();
    this.faults = 0;
    this.lastFault = '';
    this.#calls = 0;
  }
}
