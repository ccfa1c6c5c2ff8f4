/** Request lines and what they mean together with the fields (RFC 9112 §3). */
import { type Authority, NO_AUTHORITY, parseAuthority } from '../http/authority.ts';
import { isToken } from '../http/made-text.ts';
import type { HttpVersion, RequestHead } from '../http/message.ts';
import { SP, TARGET, TOKEN } from './characters.ts';
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

/** Bytes of `HTTP/1.1`. */
const VERSION_LENGTH = 8;
const VERSION_PREFIX = Uint8Array.from('HTTP/1.', (c) => c.charCodeAt(0));

export function parseRequest(reader: HeadReader, scheme: string): ReceivedRequest {
  const { bytes, base, startLineLength } = reader;
  const text = reader.text();
  let methodEnd = 0;
  while (methodEnd < startLineLength && TOKEN[bytes[base + methodEnd]!] !== 0) methodEnd++;
  const targetEnd = startLineLength - VERSION_LENGTH - 1;
  const version = parseVersion(bytes, base + targetEnd + 1, text, targetEnd);
  if (methodEnd === 0 || bytes[base + methodEnd] !== SP) refuseRequestLine();
  for (let i = methodEnd + 1; i < targetEnd; i++) {
    if (TARGET[bytes[base + i]!] === 0) refuseRequestLine();
  }
  if (targetEnd <= methodEnd + 1) refuseRequestLine();
  const method = sharedMethod(text.slice(0, methodEnd));
  const target = text.slice(methodEnd + 1, targetEnd);
  const fields = parseFields(reader, text, refuse);
  const chunked = isChunked(fields, version, refuse);
  const contentLength = chunked ? -1 : Math.max(0, fields.contentLength);
  if (contentLength !== 0 && (method === 'TRACE' || method === 'CONNECT')) {
    // RFC 9110 §9.3.6, §9.3.8: where a tunnel begins must not depend on who counts the content.
    refuse(400, 'unexpected-body', `${method} with a body`);
  }
  const host = checkedHost(fields, version);
  const isOriginForm = text.charCodeAt(methodEnd + 1) === 0x2f && method !== 'CONNECT';
  const place = isOriginForm ? null : parseTarget(method, target, host, scheme);
  const authority = place === null ? host : place.authority;
  // RFC 9112 §3.2.2: Host says what the target says, and in the one form that everybody reads alike.
  if (fields.hostCount === 1 && fields.host !== authority.text) {
    fields.section.set('host', authority.text);
  }
  const head: RequestHead = {
    method,
    version,
    scheme,
    authority,
    path: place === null ? target : place.path,
    fields: fields.section,
    contentLength,
    expectContinue: fields.expect !== '' && expectsContinue(fields, version, contentLength),
    upgrade: fields.upgrade === '' ? '' : upgradeOf(fields, version, contentLength),
  };
  const persistent = version === '1.1' ? !fields.close : fields.keepAlive && !fields.close;
  return { head, chunked, persistent };
}

function refuseRequestLine(): never {
  return refuse(400, 'bad-request-line', 'not a request line (RFC 9112 §3)');
}

function sharedMethod(text: string): string {
  for (const method of METHODS) if (method === text) return method;
  return text;
}

/** RFC 9110 §2.5: a higher minor version is read as the highest known; other major ones are not. */
function parseVersion(
  bytes: Uint8Array,
  start: number,
  text: string,
  targetEnd: number,
): HttpVersion {
  if (targetEnd < 0 || bytes[start - 1] !== SP) refuseRequestLine();
  const minor = bytes[start + 7]! - 0x30;
  let same = minor >= 0 && minor <= 9;
  for (let i = 0; i < 7; i++) same = same && bytes[start + i] === VERSION_PREFIX[i];
  if (same) return minor === 0 ? '1.0' : '1.1';
  if (/^HTTP\/[2-9]\.\d$/.test(text.slice(targetEnd + 1, targetEnd + 1 + VERSION_LENGTH))) {
    refuse(505, 'unsupported-version', 'only HTTP/1.0 and HTTP/1.1 are spoken here');
  }
  return refuseRequestLine();
}

interface Place {
  readonly authority: Authority;
  readonly path: string;
}

/** RFC 9112 §3.2.2 to §3.2.4: every form but origin-form. */
function parseTarget(method: string, target: string, host: Authority, scheme: string): Place {
  if (method === 'CONNECT') {
    const authority = parseAuthority(target);
    if (authority === null || authority.port === -1) {
      return refuse(400, 'bad-target', 'CONNECT needs host:port');
    }
    return { authority, path: '' };
  }
  if (target === '*') {
    if (method !== 'OPTIONS') refuse(400, 'bad-target', '* is for OPTIONS only');
    return { authority: host, path: '*' };
  }
  return absoluteForm(target, scheme, method);
}

/** RFC 9112 §3.2.2: the target's own authority wins over Host, which must be valid anyway. */
function absoluteForm(target: string, scheme: string, method: string): Place {
  const match = /^(https?):\/\/([^/?]*)([/?].*)?$/i.exec(target);
  if (match === null) return refuse(400, 'bad-target', 'not a request target (RFC 9112 §3.2)');
  const [, given = '', written = '', rest = ''] = match;
  // RFC 9110 §4.2.4: user information is refused with everything else that is no authority.
  const authority = parseAuthority(written);
  if (authority === null) return refuse(400, 'bad-target', 'the target has no valid authority');
  if (given.toLowerCase() !== scheme) {
    refuse(421, 'wrong-scheme', "the target's scheme is not that of the connection");
  }
  // RFC 9112 §3.2.4: OPTIONS without a path is about the server.
  if (rest === '' && method === 'OPTIONS') return { authority, path: '*' };
  const path = rest.startsWith('/') ? rest : `/${rest}`;
  return { authority, path };
}

/** RFC 9112 §3.2: exactly one valid Host in HTTP/1.1; HTTP/1.0 may do without. */
function checkedHost(fields: ParsedFields, version: string): Authority {
  const { host, hostCount } = fields;
  if (hostCount > 1) refuse(400, 'duplicate-host', 'more than one Host');
  if (hostCount === 0) {
    if (version === '1.1') refuse(400, 'missing-host', 'HTTP/1.1 needs Host');
    return NO_AUTHORITY;
  }
  return parseAuthority(host) ?? refuse(400, 'bad-host', 'Host is not a host with a port');
}

/** RFC 9110 §10.1.1: HTTP/1.0 clients do not wait; other expectations get 417. */
function expectsContinue(fields: ParsedFields, version: string, contentLength: number): boolean {
  if (fields.expect.toLowerCase() !== '100-continue') {
    refuse(417, 'unknown-expectation', 'an expectation other than 100-continue');
  }
  return version !== '1.0' && contentLength !== 0;
}

/**
 * RFC 9110 §7.8: Upgrade counts when Connection names it, in HTTP/1.1. h2c is not offered, and a
 * request with content keeps to HTTP/1.1: where its content ends and the new protocol begins would
 * depend on the origin's answer. Of several protocols none is asked for.
 */
function upgradeOf(fields: ParsedFields, version: string, contentLength: number): string {
  if (!fields.connectionUpgrade || version === '1.0') return '';
  if (contentLength !== 0 || fields.contentLength !== NO_LENGTH) return '';
  const protocol = fields.upgrade.toLowerCase();
  return protocol === 'h2c' || !isToken(protocol.replace('/', '')) ? '' : protocol;
}
