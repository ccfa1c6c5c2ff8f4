/** Counts of the requests of each route. */
import { type CacheOutcome, hitOutcomes } from './exchange-summary.ts';
import { LabelIndex } from './label-index.ts';
import {
  HISTOGRAM_SLOTS,
  histogramBucket,
  type MetricLayout,
  metricLayouts,
} from './metric-layout.ts';

const at = metricLayouts;

/** Finds the slots of a route once, so that counting is an addition or two. */
export class RouteMetrics {
  readonly #slots: Float64Array;
  readonly #requests: LabelIndex;
  readonly #hits: LabelIndex;
  readonly #duration: LabelIndex;

  constructor(region: Uint8Array, slots: Float64Array) {
    this.#slots = slots;
    const routeOf = (layout: MetricLayout) => new LabelIndex(region, layout.labels[0]!);
    this.#requests = routeOf(at.routeRequests);
    this.#hits = routeOf(at.routeHits);
    this.#duration = routeOf(at.routeDuration);
  }

  of(route: string): OneRoute {
    const requests = at.routeRequests.firstSlot + this.#requests.offsetOf(route);
    const hits = at.routeHits.firstSlot + this.#hits.offsetOf(route);
    const duration = at.routeDuration.firstSlot + this.#duration.offsetOf(route);
    return new OneRoute(this.#slots, requests, hits, duration);
  }
}

export class OneRoute {
  readonly #slots: Float64Array;
  readonly #requests: number;
  readonly #hits: number;
  readonly #duration: number;

  constructor(slots: Float64Array, requests: number, hits: number, duration: number) {
    this.#slots = slots;
    this.#requests = requests;
    this.#hits = hits;
    this.#duration = duration;
  }

  /** `status` 0: no response was sent. */
  finished(status: number, cache: CacheOutcome, durationMs: number): void {
    const slots = this.#slots;
    slots[this.#requests + Math.min(Math.floor(status / 100), 5)]! += 1;
    if (hitOutcomes.includes(cache)) slots[this.#hits]! += 1;
    slots[this.#duration + histogramBucket(durationMs)]! += 1;
    slots[this.#duration + HISTOGRAM_SLOTS - 1]! += durationMs / 1000;
  }
}
