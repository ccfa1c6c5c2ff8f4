/** Reads all regions at once, whoever writes them, and merges them into series. */
import { readAddedName } from './label-index.ts';
import {
  HISTOGRAM_SLOTS,
  histogramBounds,
  type LabelLayout,
  type MetricLayout,
  metricLayouts,
  regionSlotCount,
} from './metric-layout.ts';
import type { MetricDefinition } from './metric-table.ts';

/** One combination of label values. Label values are in the definition's order. */
export interface Series {
  readonly labels: readonly string[];
  /** Counters and gauges: the value. Histograms: the number of observations. */
  value: number;
  /** Histograms: the sum in seconds, and observations per bucket, not cumulated. */
  sum: number;
  buckets: number[];
}

export interface MetricSnapshot {
  readonly definition: MetricDefinition;
  readonly series: readonly Series[];
}

/**
 * Every metric with its series that are not zero; a metric without labels always has its one
 * series, so that a first increment is seen as one.
 */
export function readMetrics(regions: readonly Uint8Array[]): MetricSnapshot[] {
  return Object.values<MetricLayout>(metricLayouts).map((layout) => readMetric(layout, regions));
}

function readMetric(layout: MetricLayout, regions: readonly Uint8Array[]): MetricSnapshot {
  const { definition } = layout;
  const merged = new Map<string, Series>();
  if (definition.labels.length === 0) merged.set('', emptySeries(definition, []));
  for (const region of regions) {
    const slots = new Float64Array(region.buffer, region.byteOffset, regionSlotCount);
    for (const slot of touchedSlots(slots, layout)) {
      const offset = slot - layout.firstSlot;
      const labels = layout.labels.map((label) => labelValue(region, label, offset));
      const key = labels.join('\0');
      let series = merged.get(key);
      if (series === undefined) {
        series = emptySeries(definition, labels);
        merged.set(key, series);
      }
      mergeInto(series, definition, slots, slot);
    }
  }
  return { definition, series: [...merged.values()] };
}

/** First slots of the series that are not zero: few of very many, so this loop is the cost. */
function touchedSlots(slots: Float64Array, layout: MetricLayout): number[] {
  const touched: number[] = [];
  const cell = layout.definition.type === 'histogram' ? HISTOGRAM_SLOTS : 1;
  const end = layout.firstSlot + layout.slotCount;
  let slot = layout.firstSlot;
  while (slot < end) {
    if (slots[slot] === 0) {
      slot++;
      continue;
    }
    const first = slot - ((slot - layout.firstSlot) % cell);
    touched.push(first);
    slot = first + cell;
  }
  return touched;
}

function emptySeries(definition: MetricDefinition, labels: readonly string[]): Series {
  const buckets =
    definition.type === 'histogram' ? new Array<number>(histogramBounds.length + 1).fill(0) : [];
  return { labels, value: 0, sum: 0, buckets };
}

function labelValue(region: Uint8Array, label: LabelLayout, offset: number): string {
  const index = Math.floor(offset / label.stride) % label.size;
  const { values, addedMax } = label.definition;
  if (index < values.length) return values[index]!;
  if (index - values.length === addedMax) return 'other';
  return readAddedName(region, label, index - values.length);
}

function mergeInto(
  series: Series,
  definition: MetricDefinition,
  slots: Float64Array,
  slot: number,
): void {
  if (definition.type !== 'histogram') {
    const value = slots[slot]!;
    series.value =
      definition.merge === 'max' ? Math.max(series.value, value) : series.value + value;
    return;
  }
  for (let i = 0; i < series.buckets.length; i++) {
    series.buckets[i]! += slots[slot + i]!;
    series.value += slots[slot + i]!;
  }
  series.sum += slots[slot + HISTOGRAM_SLOTS - 1]!;
}
