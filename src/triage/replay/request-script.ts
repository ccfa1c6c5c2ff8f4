/** From what an incident holds of a request, and of its origin's answer, to a script of both. */
import type { IncidentBody, IncidentHeader, IncidentRequest } from '../incident.ts';
import type { HeaderLine, PlayedAnswer, PlayedBody, RequestScript } from './script.ts';

/** Bytes of a body beyond which no more are played. */
const BODY_BYTES_MAX = 64 * 1024 * 1024;

/** What is sent by the player as it is needed: framing and what is about one connection. */
const MADE_ANEW: ReadonlySet<string> = new Set([
  ...['host', 'content-length', 'transfer-encoding', 'connection', 'keep-alive', 'upgrade'],
  ...['proxy-connection', 'http2-settings', 'trailer'],
]);

export interface ScriptOfRequest {
  readonly script: RequestScript | null;
  /** What could not be kept, or why there is no script, a sentence each. */
  readonly notes: readonly string[];
}

export function requestScript(request: IncidentRequest): ScriptOfRequest {
  const { message, response = null, method, authority, version, tls, path } = request;
  if (message === undefined || method === '') {
    return { script: null, notes: ['the request was not recorded before the worker died'] };
  }
  if (method === 'CONNECT') return { script: null, notes: ['a tunnel is not played'] };
  if (request.isCut) return { script: null, notes: ['the target was too long to be recorded'] };
  const { headers, body, isCut } = message;
  const script: RequestScript = {
    mode: 'request',
    version: version === '2' || version === '3' ? '2' : '1.1',
    tls,
    method,
    authority: authority === '' ? 'localhost' : authority,
    path: path.endsWith('?') ? `${path}${'x'.repeat(request.queryBytes ?? 0)}` : path,
    headers: linesOf(headers),
    body: bodyOf(body),
    answer: response === null ? null : answerOf(response, method),
    times: 1,
  };
  const notes = [];
  if (version === '3') notes.push('HTTP/3 is played as HTTP/2');
  if (version === '1.0') notes.push('HTTP/1.0 is played as HTTP/1.1');
  if (request.early) notes.push('what came as early data is played after the handshake');
  if (path.endsWith('?')) notes.push('the query is fill of the same length');
  const secret = [...headers, ...(response?.headers ?? [])].filter((one) => 'bytes' in one);
  if (secret.length > 0) {
    const names = [...new Set(secret.map(({ name }) => name))].join(', ');
    notes.push(`values that may be secret are fill of the same length: ${names}`);
  }
  if (isCut || response?.isCut === true) notes.push('headers were too long: the last are missing');
  if (body.bytes > 0) notes.push('bodies are fill of the same sizes');
  return { script, notes };
}

function answerOf(
  { status, headers, body }: NonNullable<IncidentRequest['response']>,
  method: string,
): PlayedAnswer | null {
  // An interim response or a switch of protocols is none that can be played alone.
  if (status < 200 || status > 999) return null;
  const isEmpty = method === 'HEAD' || status === 204 || status === 304;
  const played = bodyOf(body);
  // What was not there yet is sent: whatever died, died of what came before.
  const { missing, pieces } = played;
  const whole = missing > 0 ? [...pieces, Math.min(missing, BODY_BYTES_MAX)] : pieces;
  const none = { framing: 'none', pieces: [], missing: 0 } as const;
  return {
    status,
    headers: linesOf(headers),
    body: isEmpty ? none : { ...played, pieces: whole, missing: 0 },
  };
}

function linesOf(headers: readonly IncidentHeader[]): HeaderLine[] {
  return headers
    .filter(({ name }) => !MADE_ANEW.has(name))
    .map((header) => {
      const value = 'value' in header ? header.value : 'x'.repeat(header.bytes);
      return [header.name, value];
    });
}

function bodyOf({ announced, bytes, pieces, isWhole }: IncidentBody): PlayedBody {
  const known = pieces.reduce((sum, length) => sum + length, 0);
  const played = pieces.filter((length) => length > 0);
  const more = Math.min(bytes - known, BODY_BYTES_MAX);
  if (more > 0) played.push(more);
  const framing = announced > 0 ? 'length' : announced === 0 ? 'none' : 'chunked';
  // Of a body without announced length the end alone is missing.
  const missing = isWhole ? 0 : announced > 0 ? Math.max(0, announced - bytes) : 0;
  return { framing, pieces: framing === 'none' ? [] : played, missing };
}
