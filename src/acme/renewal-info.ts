/** What an authority says of when a certificate is to be renewed (ARI, RFC 9773). */
import { X509Certificate } from 'node:crypto';
import type { AcmeClient } from './client.ts';
import { retryAt } from './client.ts';
import type { RenewalWindow } from './schedule.ts';

/** Without a word of when to ask again, and after a failure: milliseconds (RFC 9773 §4.3.3). */
const ASKED_AGAIN_MS = 6 * 3_600_000;
/** It may say from a minute to a day (RFC 9773 §4.3.2). */
const ASKED_AGAIN_MS_MIN = 60_000;
const ASKED_AGAIN_MS_MAX = 86_400_000;

export interface RenewalInfo {
  /** Null when it says nothing. */
  readonly window: RenewalWindow | null;
  readonly askedAgainMs: number;
}

/**
 * The identifier of a certificate (RFC 9773 §4.1): whose key has signed it, and its number. Null for one
 * that does not name the key.
 */
export function renewalId(certificatePem: string): string | null {
  const { raw, serialNumber } = new X509Certificate(certificatePem);
  const key = authorityKey(raw);
  if (key === null) return null;
  // An INTEGER of DER: a number whose first bit is set has a zero byte before it.
  const isHigh = Number.parseInt(serialNumber.slice(0, 2), 16) >= 0x80;
  const serial = Buffer.from(`${isHigh ? '00' : ''}${serialNumber}`, 'hex');
  return `${key.toString('base64url')}.${serial.toString('base64url')}`;
}

/** The identifier of id-ce-authorityKeyIdentifier, before what may stand there of a key. */
const AUTHORITY_KEY = Buffer.from('0603551d23', 'hex');

/** keyIdentifier [0] of the extension (RFC 5280 §4.2.1.1). */
function authorityKey(certificate: Buffer): Buffer | null {
  const at = certificate.indexOf(AUTHORITY_KEY);
  if (at === -1) return null;
  // OCTET STRING, SEQUENCE, [0]: each with a tag and one byte of length.
  const start = at + AUTHORITY_KEY.length + 6;
  const [tag, length] = [certificate[start - 2], certificate[start - 1]];
  if (tag !== 0x80 || length === undefined || length > 64) return null;
  return certificate.subarray(start, start + length);
}

/** Never rejects: what cannot be had is asked for again later. */
export async function renewalInfo(
  client: AcmeClient,
  certificatePem: string,
  nowMs: number,
): Promise<RenewalInfo> {
  const later = { window: null, askedAgainMs: nowMs + ASKED_AGAIN_MS };
  try {
    const { renewalInfo: url } = await client.directory();
    const id = renewalId(certificatePem);
    if (url === undefined || id === null) return later;
    const { body, fields } = await client.readReply(`${url}/${id}`);
    const { suggestedWindow } = JSON.parse(body) as {
      suggestedWindow?: { start?: string; end?: string };
    };
    const startMs = Date.parse(suggestedWindow?.start ?? '');
    const endMs = Date.parse(suggestedWindow?.end ?? '');
    // An end that is not behind the beginning is no window (RFC 9773 §4.2).
    const isWindow = endMs > startMs;
    const saidMs = retryAt(fields['retry-after'], nowMs) - nowMs;
    const waitMs = Math.min(Math.max(saidMs, ASKED_AGAIN_MS_MIN), ASKED_AGAIN_MS_MAX);
    return {
      window: isWindow ? { startMs, endMs } : null,
      askedAgainMs: saidMs > 0 ? nowMs + waitMs : later.askedAgainMs,
    };
  } catch {
    return later;
  }
}
