/** What is counted of certificates, by the supervisor. */
import { SeriesSlots } from './label-index.ts';
import { type MetricLayout, metricLayouts } from './metric-layout.ts';
import type { ACME_OUTCOMES, CERTIFICATE_RELOADS, OCSP_OUTCOMES } from './metric-table.ts';

const at = metricLayouts;

export type CertificateReload = (typeof CERTIFICATE_RELOADS)[number];
export type AcmeOutcome = (typeof ACME_OUTCOMES)[number];
export type OcspOutcome = (typeof OCSP_OUTCOMES)[number];

/** One certificate in use. */
export interface CertificateFacts {
  /** The host's first name, or the certificate's own. */
  readonly host: string;
  /** `RSA`, `EC`, `ED25519`. */
  readonly key: string;
  /** Unix time in seconds. */
  readonly expiresAt: number;
  /** The same of its stapled status; 0 without one. */
  readonly stapleExpiresAt: number;
}

export class CertificateMetrics {
  readonly #slots: Float64Array;
  readonly #series: SeriesSlots;

  constructor(region: Uint8Array, slots: Float64Array) {
    this.#slots = slots;
    this.#series = new SeriesSlots(region, [
      at.certificateExpiry,
      at.stapleExpiry,
      at.certificateReloads,
      at.ocspFetches,
      at.acmeOrders,
    ]);
  }

  reloaded(outcome: CertificateReload): void {
    this.#slots[this.#series.of(at.certificateReloads, outcome)]! += 1;
  }

  ordered(outcome: AcmeOutcome): void {
    this.#slots[this.#series.of(at.acmeOrders, outcome)]! += 1;
  }

  ocspFetched(outcome: OcspOutcome): void {
    this.#slots[this.#series.of(at.ocspFetches, outcome)]! += 1;
  }

  /** All that are in use; those of before that are missing count no more. */
  inUse(certificates: readonly CertificateFacts[]): void {
    for (const layout of [at.certificateExpiry, at.stapleExpiry] as MetricLayout[]) {
      this.#slots.fill(0, layout.firstSlot, layout.firstSlot + layout.slotCount);
    }
    for (const { host, key, expiresAt, stapleExpiresAt } of certificates) {
      this.#lower(this.#series.of(at.certificateExpiry, host, key), expiresAt);
      this.#lower(this.#series.of(at.stapleExpiry, host, key), stapleExpiresAt);
    }
  }

  /** Hosts that share a series count by what ends first. */
  #lower(slot: number, value: number): void {
    const present = this.#slots[slot]!;
    if (value > 0 && (present === 0 || value < present)) this.#slots[slot] = value;
  }
}
