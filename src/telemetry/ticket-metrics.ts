/** What is counted of ticket keys, by the supervisor, and of the fleet, by every process. */
import { LabelIndex } from './label-index.ts';
import { metricLayouts } from './metric-layout.ts';
import type { FLEET_ANSWERS, FLEET_LINKS, TICKET_KEY_CHANGES } from './metric-table.ts';

const at = metricLayouts;

export type TicketKeyChange = (typeof TICKET_KEY_CHANGES)[number];
export type FleetAnswer = (typeof FLEET_ANSWERS)[number];
export type FleetLink = (typeof FLEET_LINKS)[number];

export class TicketMetrics {
  readonly #slots: Float64Array;
  readonly #change: LabelIndex;
  readonly #answer: LabelIndex;
  readonly #link: LabelIndex;

  constructor(region: Uint8Array, slots: Float64Array) {
    this.#slots = slots;
    this.#change = new LabelIndex(region, at.ticketKeyChanges.labels[0]!);
    this.#answer = new LabelIndex(region, at.fleetAnswers.labels[0]!);
    this.#link = new LabelIndex(region, at.fleetConnected.labels[0]!);
  }

  keysInForce(count: number): void {
    this.#slots[at.ticketKeys.firstSlot] = count;
  }

  keysChanged(change: TicketKeyChange): void {
    this.#slots[at.ticketKeyChanges.firstSlot + this.#change.offsetOf(change)]! += 1;
  }

  fleetAnswered(answer: FleetAnswer): void {
    this.#slots[at.fleetAnswers.firstSlot + this.#answer.offsetOf(answer)]! += 1;
  }

  fleetConnected(link: FleetLink, isConnected: boolean): void {
    const slot = at.fleetConnected.firstSlot + this.#link.offsetOf(link);
    this.#slots[slot] = isConnected ? 1 : 0;
  }
}
