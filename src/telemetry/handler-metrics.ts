/** What is counted of handlers, by the supervisor. */
import { LabelIndex } from './label-index.ts';
import { type MetricLayout, metricLayouts } from './metric-layout.ts';
import type { HANDLER_FAULTS } from './metric-table.ts';

const at = metricLayouts;

export class HandlerMetrics {
  readonly #slots: Float64Array;
  readonly #indices: Map<MetricLayout, LabelIndex[]>;

  constructor(region: Uint8Array, slots: Float64Array) {
    this.#slots = slots;
    const layouts: MetricLayout[] = [at.handlerFaults, at.handlerRestarts];
    this.#indices = new Map(
      layouts.map((layout) => [
        layout,
        layout.labels.map((label) => new LabelIndex(region, label)),
      ]),
    );
  }

  failed(handler: string, fault: (typeof HANDLER_FAULTS)[number], count: number): void {
    this.#slots[this.#slotOf(at.handlerFaults, handler, fault)]! += count;
  }

  restarted(handler: string): void {
    this.#slots[this.#slotOf(at.handlerRestarts, handler)]! += 1;
  }

  #slotOf(layout: MetricLayout, ...values: string[]): number {
    const indices = this.#indices.get(layout)!;
    return values.reduce((slot, value, i) => slot + indices[i]!.offsetOf(value), layout.firstSlot);
  }
}
