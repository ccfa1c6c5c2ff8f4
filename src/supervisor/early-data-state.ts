/** Whether early data is refused as a whole, why, and until when: for people and for `/stats`. */
import { metricLayouts, regionSlotCount } from '../telemetry/metric-layout.ts';
import { CLUSTER_LINKS, type EARLY_DATA_CLOSED } from '../telemetry/metric-table.ts';
import type { StrikeRegister } from '../tls/early-data/strike-register.ts';
import type { TicketRing } from '../tls/ticket-ring.ts';

/** '' when it is not refused as a whole. */
export type EarlyDataRefusal = (typeof EARLY_DATA_CLOSED)[number] | '';

export interface EarlyDataState {
  /** In words of docs/explanation/early-data.md; '' when it is not refused as a whole. */
  readonly refusal: EarlyDataRefusal;
  /** Seconds until that ends by itself; null when that is not known. */
  readonly forSeconds: number | null;
}

export interface EarlyDataFacts {
  readonly isOn: boolean;
  readonly ring: TicketRing | null;
  readonly register: StrikeRegister;
  /** Processes of a cluster that can ask its register; null without a cluster. */
  readonly clusterLinks: number | null;
  /** By the clock of ring and register. */
  readonly nowMs: number;
}

/** Longer than any wait of ours: it is for the process's whole life. */
const ENDLESS_MS = 86_400_000;

export function earlyDataState(facts: EarlyDataFacts): EarlyDataState {
  const { isOn, ring, register, clusterLinks, nowMs } = facts;
  const until = (refusal: EarlyDataRefusal, untilMs: number): EarlyDataState => {
    const ms = untilMs - nowMs;
    return { refusal, forSeconds: ms > ENDLESS_MS ? null : Math.ceil(ms / 1_000) };
  };
  if (!isOn) return { refusal: 'policy off', forSeconds: null };
  // First what does not end by itself.
  if (clusterLinks === 0) return { refusal: 'cluster did not answer', forSeconds: null };
  if (ring !== null && nowMs < ring.earlyDataFromMs) {
    return until('register too young', ring.earlyDataFromMs);
  }
  const { refusal, untilMs } = register.state(nowMs);
  if (refusal !== '') return until(refusal, untilMs);
  return { refusal: '', forSeconds: 0 };
}

/** `early data is refused as a whole: register too young, for 12 s more`. */
export function refusalText({ refusal, forSeconds }: EarlyDataState): string {
  const time = forSeconds === null ? '' : `, for ${forSeconds} s more`;
  return `early data is refused as a whole: ${refusal}${time}`;
}

/** Processes that can ask the register of their cluster, by the metrics of all. */
export function clusterLinks(regions: readonly Uint8Array[]): number {
  const slot = metricLayouts.clusterConnected.firstSlot + CLUSTER_LINKS.indexOf('register');
  return regions.reduce((sum, { buffer, byteOffset }) => {
    return sum + new Float64Array(buffer, byteOffset, regionSlotCount)[slot]!;
  }, 0);
}
