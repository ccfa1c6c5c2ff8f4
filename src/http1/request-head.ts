/** Request lines and what they mean together with the fields (RFC 9112 §3). */
import { isAuthority } from '../http/authority.ts';
import type { HttpVersion, RequestHead } from '../http/message.ts';
import { isToken, SP } from './characters.ts';
import { isChunked, NO_LENGTH, type ParsedFields, parseFields } from './fields.ts';
import type { HeadReader } from './head-reader.ts';
import { refuseRequest as refuse } from './message-error.ts';

/** A request's head with the facts that only this connection is about. */
export interface ReceivedRequest {
  readonly head: RequestHead;
  readonly chunked: boolean;
  /** The connection can carry another request after this one (RFC 9112 §9.3). */
  readonly persistent: boolean;
}

/** The methods of RFC 9110 and PATCH, as one shared instance each. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'CONNECT', 'TRACE'];

export function parseRequest(reader: HeadReader, scheme: string): ReceivedRequest {
  const line = reader.text.slice(reader.lineStarts[0]!, reader.lineEnds[0]!);
  const methodEnd = line.indexOf(' ');
  const targetEnd = line.lastIndexOf(' ');
  if (methodEnd <= 0 || targetEnd === methodEnd) badRequestLine();
  const method = parseMethod(line.slice(0, methodEnd));
  const target = line.slice(methodEnd + 1, targetEnd);
  const version = parseVersion(line.slice(targetEnd + 1));
  if (!isVisibleAscii(target)) badRequestLine();
  const fields = parseFields(reader, 1, refuse);
  const chunked = isChunked(fields, version, refuse);
  const place = parseTarget(method, target, fields, version, scheme);
  const contentLength = chunked ? -1 : Math.max(0, fields.contentLength);
  if (method === 'TRACE' && contentLength !== 0) {
    refuse(400, 'trace-with-content', 'TRACE with content (RFC 9110 §9.3.8)');
  }
  const head: RequestHead = {
    method,
    version,
    scheme,
    authority: place.authority,
    path: place.path,
    fields: fields.section,
    contentLength,
    expectContinue: expectsContinue(fields, version),
    upgrade: upgradeOf(fields, version, contentLength),
  };
  const persistent = version === '1.1' ? !fields.close : fields.keepAlive && !fields.close;
  return { head, chunked, persistent };
}

function badRequestLine(): never {
  return refuse(400, 'bad-request-line', 'not a request line (RFC 9112 §3)');
}

function parseMethod(text: string): string {
  for (const method of METHODS) if (method === text) return method;
  if (!isToken(text)) badRequestLine();
  return text;
}

function parseVersion(text: string): HttpVersion {
  if (text === 'HTTP/1.1') return '1.1';
  if (text === 'HTTP/1.0') return '1.0';
  if (/^HTTP\/1\.\d$/.test(text)) return '1.1';
  if (/^HTTP\/\d\.\d$/.test(text)) {
    refuse(505, 'unsupported-version', 'only HTTP/1.0 and HTTP/1.1 are spoken here');
  }
  return badRequestLine();
}

/** 0x21 to 0x7e without `#`: a fragment is never sent (RFC 9110 §7.1). */
function isVisibleAscii(target: string): boolean {
  for (let i = 0; i < target.length; i++) {
    const c = target.charCodeAt(i);
    if (c <= SP || c >= 0x7f || c === 0x23) return false;
  }
  return target.length > 0;
}

interface Place {
  readonly authority: string;
  readonly path: string;
}

/** RFC 9112 §3.2. The target's own authority wins over Host (§3.2.2), which must be valid anyway. */
function parseTarget(
  method: string,
  target: string,
  fields: ParsedFields,
  version: string,
  scheme: string,
): Place {
  const host = checkedHost(fields, version);
  if (method === 'CONNECT') {
    const port = target.slice(target.lastIndexOf(':') + 1);
    if (!isAuthority(target) || !/^\d+$/.test(port)) {
      refuse(400, 'bad-target', 'CONNECT needs host:port');
    }
    return { authority: target.toLowerCase(), path: '' };
  }
  if (target.charCodeAt(0) === 0x2f) return { authority: host, path: target };
  if (target === '*') {
    if (method !== 'OPTIONS') refuse(400, 'bad-target', '* is for OPTIONS only');
    return { authority: host, path: '*' };
  }
  return absoluteForm(target, scheme, method);
}

function absoluteForm(target: string, scheme: string, method: string): Place {
  const match = /^(https?):\/\/([^/?]*)([/?].*)?$/i.exec(target);
  if (match === null) refuse(400, 'bad-target', 'not a request target (RFC 9112 §3.2)');
  const [, given, authority, rest = ''] = match as unknown as [string, string, string, string?];
  if (!isAuthority(authority)) refuse(400, 'bad-target', 'the target has no valid authority');
  if (given.toLowerCase() !== scheme) {
    refuse(421, 'wrong-scheme', `the target's scheme is not that of the connection`);
  }
  // RFC 9112 §3.2.4: OPTIONS without a path is about the server.
  if (rest === '' && method === 'OPTIONS') return { authority: authority.toLowerCase(), path: '*' };
  const path = rest.startsWith('/') ? rest : `/${rest}`;
  return { authority: authority.toLowerCase(), path };
}

/** RFC 9112 §3.2: exactly one valid Host in HTTP/1.1; HTTP/1.0 may do without. */
function checkedHost(fields: ParsedFields, version: string): string {
  if (fields.hostCount > 1) refuse(400, 'duplicate-host', 'more than one Host');
  if (fields.hostCount === 0) {
    if (version === '1.1') refuse(400, 'missing-host', 'HTTP/1.1 needs Host');
    return '';
  }
  if (!isAuthority(fields.host)) refuse(400, 'bad-host', 'Host is not a host with a port');
  return lowerCase(fields.host);
}

function lowerCase(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c >= 0x41 && c <= 0x5a) return text.toLowerCase();
  }
  return text;
}

/** RFC 9110 §10.1.1: HTTP/1.0 clients do not wait; other expectations get 417. */
function expectsContinue(fields: ParsedFields, version: string): boolean {
  if (fields.expect === '') return false;
  if (fields.expect.toLowerCase() !== '100-continue') {
    refuse(417, 'unknown-expectation', 'an expectation other than 100-continue');
  }
  return version !== '1.0';
}

/**
 * RFC 9110 §7.8: the wish counts when Connection names it, in HTTP/1.1. h2c is not offered, and a
 * request with content keeps to HTTP/1.1: where its content ends and the new protocol begins would
 * depend on the origin's answer.
 */
function upgradeOf(fields: ParsedFields, version: string, contentLength: number): string {
  if (fields.upgrade === '' || !fields.connectionUpgrade || version === '1.0') return '';
  if (contentLength !== 0 || fields.contentLength > NO_LENGTH + 1) return '';
  const protocol = fields.upgrade.toLowerCase();
  return /^h2c?$|,|^\s*$/.test(protocol) || !isToken(protocol.replace('/', '')) ? '' : protocol;
}
