/** When the certificates of all hosts expire, and which of them an operator must look at. */
import { X509Certificate } from 'node:crypto';
import { certificateNames } from '../../config/certificate.ts';
import type { CertificatePair } from '../../tls/host-options.ts';

export interface CertificateExpiry {
  readonly names: string;
  /** RFC 3339. */
  readonly until: string;
  /** Whole days that are left; below 0 when it has expired. */
  readonly days: number;
  /** Whether it should have been renewed by now. */
  readonly isLate: boolean;
}

/** Of a host's options, what is looked at. */
export interface CertifiedHost {
  readonly tls: { readonly certificates: readonly CertificatePair[] };
}

const DAY_MS = 86_400_000;
/** A certificate that is renewed by itself is renewed earlier. Milliseconds before its end. */
const EXPIRY_WARNED_MS = 14 * DAY_MS;
/** Of one that lives for days, less than this share of its life is left: authorities ask for a third. */
const SHORT_LIFE_SHARE = 0.2;

interface Life {
  readonly names: string;
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Read once for each: who looks does so every second, and there may be a thousand. */
const lives = new WeakMap<CertificatePair, Life | null>();

/** The first to expire first. */
export function certificateExpiries(
  hosts: readonly CertifiedHost[],
  nowMs: number,
): CertificateExpiry[] {
  const found = hosts.flatMap(({ tls }) => tls.certificates.flatMap((pair) => lifeOf(pair) ?? []));
  return found
    .sort((a, b) => a.untilMs - b.untilMs)
    .map(({ names, fromMs, untilMs }) => ({
      names,
      until: new Date(untilMs).toISOString(),
      days: Math.floor((untilMs - nowMs) / DAY_MS),
      isLate: untilMs - nowMs < Math.min(EXPIRY_WARNED_MS, SHORT_LIFE_SHARE * (untilMs - fromMs)),
    }));
}

/** `the certificate of example.org expires in 3 days`. */
export function expiryText({ names, days, until }: CertificateExpiry): string {
  const when = days < 0 ? 'has expired' : `expires in ${days} day${days === 1 ? '' : 's'}`;
  return `the certificate of ${names} ${when} (${until.slice(0, 10)})`;
}

export const EXPIRY_REMEDY =
  'renew it in its file: it is reloaded within seconds, without a restart';

function lifeOf(pair: CertificatePair): Life | null {
  const known = lives.get(pair);
  if (known !== undefined) return known;
  const life = readLife(pair);
  lives.set(pair, life);
  return life;
}

function readLife({ certificatePem }: CertificatePair): Life | null {
  try {
    const certificate = new X509Certificate(certificatePem);
    const [fromMs, untilMs] = [certificate.validFrom, certificate.validTo].map(Date.parse);
    return { names: certificateNames(certificate), fromMs: fromMs!, untilMs: untilMs! };
  } catch {
    return null;
  }
}
