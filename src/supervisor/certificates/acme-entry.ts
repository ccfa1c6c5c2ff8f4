/** One certificate from an authority: what is wanted, what is known of it, and when it is due. */
import { X509Certificate } from 'node:crypto';
import { authorityName } from '../../acme/authority.ts';
import type { KeyType } from '../../acme/contract.ts';
import type { AcmeOptions } from '../../acme/options.ts';
import type { Issued } from '../../acme/order.ts';
import { renewalAtMs } from '../../acme/schedule.ts';
import { certificateId, type OrderState } from '../../acme/store.ts';
import type { HostOptions } from '../../config/options.ts';

/** How one certificate is doing: for the admin endpoint. Times are RFC 3339, null for none. */
export interface CertificateState {
  readonly names: readonly string[];
  readonly keyType: KeyType;
  readonly isIssued: boolean;
  readonly authority: string | null;
  readonly validUntil: string | null;
  /** When it is ordered next. */
  readonly next: string;
  readonly isUnderWay: boolean;
  readonly failures: number;
  /** Why the last order failed; '' when it did not. */
  readonly trouble: string;
}

/** One certificate that a host is to have. */
export interface WantedCertificate {
  readonly id: string;
  readonly names: readonly string[];
  readonly keyType: KeyType;
  readonly host: number;
  /** Among the host's certificates. */
  readonly index: number;
}

/** What is known of one. */
export interface CertificateEntry {
  issued: Issued | null;
  dates: { readonly notBeforeMs: number; readonly notAfterMs: number } | null;
  state: OrderState;
  /** When the dates and the authority want another: kept, since every second asks for it. */
  renewalMs: number;
  isUnderWay: boolean;
  isAskedAbout: boolean;
  /** Before it nobody is asked whether the order is ours. */
  claimAgainMs: number;
  /** The other instances do not have it yet. */
  isUntold: boolean;
}

export const idle = { isUnderWay: false, isAskedAbout: false, claimAgainMs: 0, isUntold: false };

export interface KnownCertificate {
  readonly wanted: WantedCertificate;
  readonly entry: CertificateEntry;
}

export function datesOf(issued: Issued | null): CertificateEntry['dates'] {
  if (issued === null) return null;
  const { validFromDate, validToDate } = new X509Certificate(issued.certificatePem);
  return { notBeforeMs: validFromDate.getTime(), notAfterMs: validToDate.getTime() };
}

export function wantedOf(
  hosts: readonly HostOptions[],
  { keyTypes }: AcmeOptions,
): WantedCertificate[] {
  return hosts.flatMap(({ isAcme, tls: { names } }, host) => {
    if (!isAcme) return [];
    return keyTypes.map((keyType, index) => {
      return { id: certificateId(names, keyType), names, keyType, host, index };
    });
  });
}

/** Another is to take its place, as soon as can be. */
export function unwanted(state: OrderState): OrderState {
  return { ...state, isUnwanted: true, nextAttemptMs: 0 };
}

/** 0 for one that is not there. */
export function renewalMsOf(
  id: string,
  dates: CertificateEntry['dates'],
  { window }: OrderState,
): number {
  return dates === null ? 0 : renewalAtMs({ name: id, ...dates, window });
}

/** After a failure not before its time, whatever else is. */
export function dueAtMs({
  renewalMs,
  state: { isUnwanted, nextAttemptMs },
}: CertificateEntry): number {
  return Math.max(isUnwanted ? 0 : renewalMs, nextAttemptMs);
}

export function stateOf({ wanted, entry }: KnownCertificate): CertificateState {
  const { dates, state, isUnderWay } = entry;
  const { directory, failures, trouble } = state;
  const { names, keyType } = wanted;
  return {
    ...{ names, keyType, isUnderWay, failures, trouble },
    isIssued: entry.issued !== null,
    authority: directory === '' ? null : authorityName(directory),
    validUntil: dates === null ? null : new Date(dates.notAfterMs).toISOString(),
    next: new Date(dueAtMs(entry)).toISOString(),
  };
}

export function sentenceOf(state: CertificateState): string {
  const { keyType, isIssued, authority, validUntil, next, isUnderWay, failures, trouble } = state;
  const serves = isIssued
    ? `a certificate (${keyType}) of ${authority ?? 'an authority'} serves, valid until ${validUntil}`
    : `a self-signed certificate (${keyType}) serves`;
  const failed = failures === 0 ? '' : `; ${failures} orders in a row have failed: ${trouble}`;
  return `${serves}${failed}; ${isUnderWay ? 'an order is under way' : `the next order is at ${next}`}`;
}
