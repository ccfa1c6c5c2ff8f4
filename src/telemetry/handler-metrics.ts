/** What is counted of handlers, by the supervisor. */
import { SeriesSlots } from './label-index.ts';
import { metricLayouts } from './metric-layout.ts';
import type { HANDLER_FAULTS } from './metric-table.ts';

const at = metricLayouts;

export class HandlerMetrics {
  readonly #slots: Float64Array;
  readonly #series: SeriesSlots;

  constructor(region: Uint8Array, slots: Float64Array) {
    this.#slots = slots;
    this.#series = new SeriesSlots(region, [at.handlerFaults, at.handlerRestarts]);
  }

  failed(handler: string, fault: (typeof HANDLER_FAULTS)[number], count: number): void {
    this.#slots[this.#series.of(at.handlerFaults, handler, fault)]! += count;
  }

  restarted(handler: string): void {
    this.#slots[this.#series.of(at.handlerRestarts, handler)]! += 1;
  }
}
