/**
 * Where each metric's slots lie in a region. A region is one process's share of the shared memory:
 * 64-bit floats first, then the names that the process has added to its labels. Every combination
 * of label values has its slot in advance, so an increment is one addition at a computed index.
 * Pages never touched cost nothing.
 */
import { type LabelDefinition, type MetricDefinition, metricTable } from './metric-table.ts';

/** Upper bounds of the histograms in seconds: 64 µs times powers of two, to 67 s. */
export const histogramBounds: readonly number[] = Array.from(
  { length: 21 },
  (_, k) => (64 * 2 ** k) / 1e6,
);

/** One slot for each bound, one for what is beyond the last, one for the sum. */
export const HISTOGRAM_SLOTS = histogramBounds.length + 2;

/** Index of the bucket that holds a duration. Bounds are inclusive, as Prometheus has them. */
export function histogramBucket(milliseconds: number): number {
  const microseconds = Math.min(Math.max(Math.ceil(milliseconds * 1000), 1), 0xffff_ffff);
  const bucket = 32 - Math.clz32((microseconds - 1) >>> 6);
  return Math.min(bucket, histogramBounds.length);
}

/** Bytes for one added name: a length byte and up to 63 bytes of text. */
export const METRIC_NAME_BYTES = 64;

export interface LabelLayout {
  readonly definition: LabelDefinition;
  /** Known values, added ones, and `other` last unless the label is closed. */
  readonly size: number;
  readonly stride: number;
  /** Offset in bytes of the table of added names; 0 when nothing may be added. */
  readonly namesOffset: number;
}

export interface MetricLayout {
  readonly definition: MetricDefinition;
  readonly firstSlot: number;
  readonly slotCount: number;
  readonly labels: readonly LabelLayout[];
}

type Layouts = { readonly [K in keyof typeof metricTable]: MetricLayout };

function layOut(): { metrics: Layouts; slotCount: number; bytes: number } {
  const slotCounts = Object.values<MetricDefinition>(metricTable).map(slotsOf);
  const slotCount = slotCounts.reduce((sum, count) => sum + count, 0);
  let nextSlot = 0;
  let nextName = slotCount * 8;
  const metrics: Record<string, MetricLayout> = {};
  for (const [key, definition] of Object.entries<MetricDefinition>(metricTable)) {
    const labels: LabelLayout[] = [];
    let stride = definition.type === 'histogram' ? HISTOGRAM_SLOTS : 1;
    for (const label of definition.labels.toReversed()) {
      const namesOffset = label.addedMax === 0 ? 0 : nextName;
      nextName += label.addedMax * METRIC_NAME_BYTES;
      labels.unshift({ definition: label, size: sizeOf(label), stride, namesOffset });
      stride *= sizeOf(label);
    }
    metrics[key] = { definition, firstSlot: nextSlot, slotCount: stride, labels };
    nextSlot += stride;
  }
  return { metrics: metrics as Layouts, slotCount, bytes: nextName };
}

function sizeOf(label: LabelDefinition): number {
  return label.values.length + label.addedMax + (label.isClosed ? 0 : 1);
}

function slotsOf(definition: MetricDefinition): number {
  const cell = definition.type === 'histogram' ? HISTOGRAM_SLOTS : 1;
  return definition.labels.reduce((product, label) => product * sizeOf(label), cell);
}

const layout = layOut();

export const metricLayouts: Layouts = layout.metrics;
export const regionSlotCount = layout.slotCount;

const PAGE_BYTES = 4096;

/** Bytes of one region, whole pages, so that no two processes write to the same page. */
export const metricsRegionBytes = Math.ceil(layout.bytes / PAGE_BYTES) * PAGE_BYTES;
