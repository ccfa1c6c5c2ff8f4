/** What is counted of each server of each group of origins. */
import { SeriesSlots } from './label-index.ts';
import {
  HISTOGRAM_SLOTS,
  histogramBucket,
  type MetricLayout,
  metricLayouts,
} from './metric-layout.ts';

const at = metricLayouts;

/** Finds the slots of a group or server once, so that counting is one addition. */
export class OriginMetrics {
  readonly #slots: Float64Array;
  readonly #series: SeriesSlots;

  constructor(region: Uint8Array, slots: Float64Array) {
    this.#slots = slots;
    this.#series = new SeriesSlots(region, [
      at.groupResponseTime,
      at.originRetries,
      at.originCircuitOpenings,
      at.originLookupFailures,
      at.serverRequests,
      at.serverResponses,
      at.serverFailures,
      at.serverEjections,
      at.serverResponseTime,
      at.serverConnections,
      at.serverUnderWay,
      at.serverAddresses,
      at.serverFailing,
    ]);
  }

  group(origin: string): GroupMetrics {
    const slotOf = (layout: MetricLayout) => this.#series.of(layout, origin);
    return new GroupMetrics(this.#slots, slotOf);
  }

  server(origin: string, server: string): ServerMetrics {
    const slotOf = (layout: MetricLayout) => this.#series.of(layout, origin, server);
    return new ServerMetrics(this.#slots, slotOf);
  }
}

type SlotOf = (layout: MetricLayout) => number;

export class GroupMetrics {
  readonly #slots: Float64Array;
  readonly #responseTime: number;
  readonly #retries: number;
  readonly #openings: number;
  readonly #lookupFailures: number;

  constructor(slots: Float64Array, slotOf: SlotOf) {
    this.#slots = slots;
    this.#responseTime = slotOf(at.groupResponseTime);
    this.#retries = slotOf(at.originRetries);
    this.#openings = slotOf(at.originCircuitOpenings);
    this.#lookupFailures = slotOf(at.originLookupFailures);
  }

  /** Milliseconds from an attempt to its response's head. */
  answered(elapsedMs: number): void {
    this.#slots[this.#responseTime + histogramBucket(elapsedMs)]! += 1;
    this.#slots[this.#responseTime + HISTOGRAM_SLOTS - 1]! += elapsedMs / 1000;
  }

  retried(): void {
    this.#slots[this.#retries]! += 1;
  }

  circuitOpened(): void {
    this.#slots[this.#openings]! += 1;
  }

  lookupFailed(): void {
    this.#slots[this.#lookupFailures]! += 1;
  }
}

export class ServerMetrics {
  readonly #slots: Float64Array;
  readonly #requests: number;
  readonly #responses: number;
  readonly #failures: number;
  readonly #ejections: number;
  readonly #responseTime: number;
  readonly #connections: number;
  readonly #underWay: number;
  readonly #addresses: number;
  readonly #failing: number;

  constructor(slots: Float64Array, slotOf: SlotOf) {
    this.#slots = slots;
    this.#requests = slotOf(at.serverRequests);
    this.#responses = slotOf(at.serverResponses);
    this.#failures = slotOf(at.serverFailures);
    this.#ejections = slotOf(at.serverEjections);
    this.#responseTime = slotOf(at.serverResponseTime);
    this.#connections = slotOf(at.serverConnections);
    this.#underWay = slotOf(at.serverUnderWay);
    this.#addresses = slotOf(at.serverAddresses);
    this.#failing = slotOf(at.serverFailing);
  }

  attemptStarted(): void {
    this.#slots[this.#requests]! += 1;
  }

  /** Status of a response, and milliseconds from the attempt's start to its head. */
  answered(status: number, elapsedMs: number): void {
    const slots = this.#slots;
    const classIndex = Math.min(Math.max(Math.floor(status / 100), 1), 5) - 1;
    slots[this.#responses + classIndex]! += 1;
    slots[this.#responseTime]! += elapsedMs / 1000;
  }

  failed(): void {
    this.#slots[this.#failures]! += 1;
  }

  ejected(): void {
    this.#slots[this.#ejections]! += 1;
  }

  /** As it is now. */
  holds(connections: number, underWay: number): void {
    this.#slots[this.#connections] = connections;
    this.#slots[this.#underWay] = underWay;
  }

  /** Whether its requests fail, as it is now. */
  fails(isFailing: boolean): void {
    this.#slots[this.#failing] = isFailing ? 1 : 0;
  }

  /** How many of its addresses are in each state, in the table's order. */
  addressesAre(counts: readonly number[]): void {
    for (let i = 0; i < counts.length; i++) this.#slots[this.#addresses + i] = counts[i]!;
  }
}
