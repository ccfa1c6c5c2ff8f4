/** What is counted of ticket keys, by the supervisor, and of the cluster, by every process. */
import { LabelIndex } from './label-index.ts';
import { metricLayouts } from './metric-layout.ts';
import type { CLUSTER_ANSWERS, CLUSTER_LINKS, TICKET_KEY_CHANGES } from './metric-table.ts';

const at = metricLayouts;

export type TicketKeyChange = (typeof TICKET_KEY_CHANGES)[number];
export type ClusterAnswer = (typeof CLUSTER_ANSWERS)[number];
export type ClusterLinkName = (typeof CLUSTER_LINKS)[number];

export class TicketMetrics {
  readonly #slots: Float64Array;
  readonly #change: LabelIndex;
  readonly #answer: LabelIndex;
  readonly #link: LabelIndex;

  constructor(region: Uint8Array, slots: Float64Array) {
    this.#slots = slots;
    this.#change = new LabelIndex(region, at.ticketKeyChanges.labels[0]!);
    this.#answer = new LabelIndex(region, at.clusterAnswers.labels[0]!);
    this.#link = new LabelIndex(region, at.clusterConnected.labels[0]!);
  }

  keysInForce(count: number): void {
    this.#slots[at.ticketKeys.firstSlot] = count;
  }

  keysChanged(change: TicketKeyChange): void {
    this.#slots[at.ticketKeyChanges.firstSlot + this.#change.offsetOf(change)]! += 1;
  }

  clusterAnswered(answer: ClusterAnswer): void {
    this.#slots[at.clusterAnswers.firstSlot + this.#answer.offsetOf(answer)]! += 1;
  }

  clusterConnected(link: ClusterLinkName, isConnected: boolean): void {
    const slot = at.clusterConnected.firstSlot + this.#link.offsetOf(link);
    this.#slots[slot] = isConnected ? 1 : 0;
  }
}
