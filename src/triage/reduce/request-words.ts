/** A request of a script in words. */
import { bodyBytes } from '../replay/played-message.ts';
import type { HeaderLine, PlayedBody, RequestScript } from '../replay/script.ts';

export function requestWords(script: RequestScript): string {
  const { version, tls, method, authority, path, headers, body, answer, times } = script;
  const place = `${tls ? 'https' : 'http'}://${authority}${path}`;
  const parts = [`${method} ${place} over HTTP/${version}`, headerNames(headers), bodyWords(body)];
  if (times > 1) parts.push(`sent ${times} times on one connection`);
  const request = parts.filter((part) => part !== '').join(', ');
  if (answer === null) return `${request}; the origin’s answer does not matter`;
  const answered = [`status ${answer.status}`, headerNames(answer.headers), bodyWords(answer.body)];
  const whole = answered.filter((part) => part !== '').join(', ');
  return `${request}; the origin answers with ${whole}`;
}

/** Bytes that are sent, both ways, but for what frames them. */
export function requestBytes({ method, path, headers, body, answer, authority }: RequestScript) {
  const lines = (all: readonly HeaderLine[]) =>
    all.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  const request = method.length + authority.length + path.length + lines(headers) + bodyBytes(body);
  return request + (answer === null ? 0 : lines(answer.headers) + bodyBytes(answer.body));
}

function headerNames(headers: readonly HeaderLine[]): string {
  if (headers.length === 0) return '';
  const names = headers.map(([name, value]) => (value.length > 40 ? name : `${name}: ${value}`));
  return `header${names.length > 1 ? 's' : ''} ${names.join(', ')}`;
}

function bodyWords(body: PlayedBody): string {
  if (body.framing === 'none') return '';
  const { pieces, missing, framing } = body;
  const length = `${bodyBytes(body)} bytes`;
  const how = pieces.length > 1 ? ` in pieces of ${pieces.join(', ')}` : '';
  const chunked = framing === 'chunked' ? ', not announced' : '';
  return `a body of ${length}${how}${chunked}${missing > 0 ? `, and ${missing} that do not come` : ''}`;
}
