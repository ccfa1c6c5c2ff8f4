/** HTTPS toward authorities, and whatever else is asked beside them: small answers, bounded time. */
import { request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import { rootCertificates } from 'node:tls';
import { durationText } from '../base/duration-text.ts';
import { after } from '../base/owned.ts';
import type { AcmeReply, AcmeRequest, AskAuthority } from './contract.ts';

/** Milliseconds for a whole answer; nothing that serves waits for it. */
const ANSWER_TIMEOUT_MS = 30_000;
/** Bytes. A chain of certificates has some 10 KiB, an order of a hundred names less. */
const ANSWER_BYTES_MAX = 1_048_576;

export interface HttpsOptions {
  /** PEM: roots to trust beside those that everybody trusts; '' for none. */
  readonly authoritiesPem: string;
  readonly userAgent: string;
}

/** Asks over TLS; over plain HTTP only where the URL says so. */
export function askOverHttps({ authoritiesPem, userAgent }: HttpsOptions): AskAuthority {
  const ca = authoritiesPem === '' ? undefined : [...rootCertificates, authoritiesPem];
  return (wanted) => exchange(wanted, { 'user-agent': userAgent }, ca);
}

function exchange(
  { method, url, body }: AcmeRequest,
  headers: Record<string, string>,
  ca: string[] | undefined,
): Promise<AcmeReply> {
  const { promise, resolve, reject } = Promise.withResolvers<AcmeReply>();
  const content = body === null ? '' : body;
  const all = {
    ...headers,
    ...(method === 'POST' && {
      'content-type': 'application/jose+json',
      'content-length': String(Buffer.byteLength(content)),
    }),
  };
  const ask = url.startsWith('http:') ? plainRequest : secureRequest;
  const options = { method, headers: all, agent: false, ...(ca !== undefined && { ca }) };
  const asked = ask(url, options, (response) => {
    const pieces: Buffer[] = [];
    let length = 0;
    response.on('error', reject);
    response.on('data', (piece: Buffer) => {
      length += piece.length;
      if (length > ANSWER_BYTES_MAX) asked.destroy(new Error('its answer is too long'));
      else pieces.push(piece);
    });
    response.on('end', () => {
      const fields = Object.fromEntries(
        Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
      );
      const text = Buffer.concat(pieces).toString('utf8');
      resolve({ status: response.statusCode ?? 0, fields, body: text });
    });
  });
  const giveUp = () =>
    asked.destroy(new Error(`no answer within ${durationText(ANSWER_TIMEOUT_MS)}`));
  const timer = after(ANSWER_TIMEOUT_MS, giveUp, reject);
  asked.on('error', (error) => reject(new Error(wordsOf(error))));
  asked.on('close', () => clearTimeout(timer));
  asked.end(content);
  return promise;
}

/** A connection that failed on several addresses has a code and no message. */
function wordsOf(error: NodeJS.ErrnoException): string {
  return error.message === ''
    ? `it cannot be reached (${error.code ?? error.name})`
    : error.message;
}
