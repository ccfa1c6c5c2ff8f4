/** Labels' values as indices into the slots of a metric. */
import { assert } from '../base/assert.ts';
import { type LabelLayout, METRIC_NAME_BYTES, type MetricLayout } from './metric-layout.ts';

/** The text of added name number `index` of a label, or '' where there is none yet. */
export function readAddedName(region: Uint8Array, label: LabelLayout, index: number): string {
  const offset = label.namesOffset + index * METRIC_NAME_BYTES;
  const length = Math.min(region[offset]!, METRIC_NAME_BYTES - 1);
  return Buffer.from(region.subarray(offset + 1, offset + 1 + length)).toString('utf8');
}

/** From a label's value to its index, adding values that are new while there is room. */
export class LabelIndex {
  readonly #region: Uint8Array;
  readonly #layout: LabelLayout;
  readonly #byValue = new Map<string, number>();
  #added = 0;
  // Most requests and handshakes are like the one before.
  #lastValue: string | undefined;
  #lastOffset = 0;

  constructor(region: Uint8Array, layout: LabelLayout) {
    this.#region = region;
    this.#layout = layout;
    for (const value of layout.definition.values) this.#byValue.set(value, this.#byValue.size);
    while (this.#added < layout.definition.addedMax) {
      const name = readAddedName(region, layout, this.#added);
      if (name === '') break;
      this.#byValue.set(name, layout.definition.values.length + this.#added);
      this.#added++;
    }
    this.#lastValue = layout.definition.values[0];
  }

  /** Slots from the metric's first to those of this value. */
  offsetOf(value: string): number {
    if (value === this.#lastValue) return this.#lastOffset;
    const offset = (this.#byValue.get(value) ?? this.#add(value)) * this.#layout.stride;
    this.#lastValue = value;
    this.#lastOffset = offset;
    return offset;
  }

  #add(value: string): number {
    const { definition, namesOffset, size } = this.#layout;
    assert(!definition.isClosed, `label ${definition.name} has no value ${value}`);
    const text = Buffer.from(value, 'utf8').subarray(0, METRIC_NAME_BYTES - 1);
    if (this.#added === definition.addedMax || text.length === 0) return size - 1;
    const offset = namesOffset + this.#added * METRIC_NAME_BYTES;
    this.#region.set(text, offset + 1);
    this.#region[offset] = text.length;
    const index = definition.values.length + this.#added;
    this.#added++;
    this.#byValue.set(value, index);
    return index;
  }
}

/** From metrics with labels to the slots of their series. */
export class SeriesSlots {
  /** By metric: one index for each of its labels. */
  readonly #indices: ReadonlyMap<MetricLayout, readonly LabelIndex[]>;

  constructor(region: Uint8Array, layouts: readonly MetricLayout[]) {
    this.#indices = new Map(
      layouts.map((layout) => [
        layout,
        layout.labels.map((label) => new LabelIndex(region, label)),
      ]),
    );
  }

  /** The first slot of the series with these values, in the order of the labels. */
  of(layout: MetricLayout, ...values: readonly string[]): number {
    const indices = this.#indices.get(layout)!;
    return values.reduce((slot, value, i) => slot + indices[i]!.offsetOf(value), layout.firstSlot);
  }
}
