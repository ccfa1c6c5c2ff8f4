/** Asks a certificate's issuer, over HTTP (RFC 6960 appendix A), whether it has been revoked. */

import { X509Certificate } from 'node:crypto';
import { request } from 'node:http';
import { durationText } from '../../base/duration-text.ts';
import { after } from '../../base/owned.ts';
import { ocspRequest, readOcspResponse } from '../../native/ocsp.ts';
import { Certificate } from '../../native/x509.ts';

/** Milliseconds for the whole answer; no handshake waits for it. */
const OCSP_TIMEOUT_MS = 10_000;
/** Bytes. Responses with the responder's certificate have 1 to 3 KiB. */
const OCSP_RESPONSE_BYTES_MAX = 65_536;

export interface FetchedStatus {
  readonly status: 'good' | 'revoked' | 'unknown';
  readonly response: Buffer;
  /** Seconds from now until it is out of date; null when it does not say. */
  readonly validSeconds: number | null;
}

/** Where the issuer answers, of a PEM chain; '' when the certificate names nobody. */
export function ocspResponder(certificatePem: string): string {
  const { infoAccess } = new X509Certificate(certificatePem);
  return /^OCSP - URI:"?(http:\/\/[^"\s]+)"?$/m.exec(infoAccess ?? '')?.[1] ?? '';
}

/** `certificatePem`: the certificate, and its issuer after it. Rejects with an Error that says why. */
export async function fetchStatus(certificatePem: string, url: string): Promise<FetchedStatus> {
  const chain = Certificate.readAll(certificatePem);
  try {
    const [certificate, issuer] = chain;
    if (certificate === undefined || issuer === undefined) {
      throw new Error('its issuer is not in the file: add it behind the certificate');
    }
    const response = await post(url, ocspRequest(certificate, issuer));
    const { status, validSeconds } = readOcspResponse(response, certificate, issuer);
    return { status, response, validSeconds };
  } finally {
    for (const certificate of chain) certificate[Symbol.dispose]();
  }
}

function post(url: string, body: Buffer): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const headers = { 'content-type': 'application/ocsp-request', 'content-length': body.length };
  const asked = request(url, { method: 'POST', headers, agent: false }, (response) => {
    const pieces: Buffer[] = [];
    let length = 0;
    response.on('error', reject);
    response.on('data', (piece: Buffer) => {
      length += piece.length;
      if (length > OCSP_RESPONSE_BYTES_MAX) asked.destroy(new Error('its answer is too long'));
      else pieces.push(piece);
    });
    response.on('end', () => {
      if (response.statusCode === 200) resolve(Buffer.concat(pieces));
      else reject(new Error(`the responder answers with status ${response.statusCode}`));
    });
  });
  const giveUp = () => {
    asked.destroy(new Error(`no answer within ${durationText(OCSP_TIMEOUT_MS)}`));
  };
  const timer = after(OCSP_TIMEOUT_MS, giveUp, reject);
  asked.on('error', reject);
  asked.on('close', () => clearTimeout(timer));
  asked.end(body);
  return promise;
}
