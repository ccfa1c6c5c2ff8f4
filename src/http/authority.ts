/**
 * Whom a request is for: `host [":" port]` of Host, `:authority` and request targets (RFC 9110 §4.2,
 * §7.2; RFC 3986 §3.2). It is read once, here, into a value that every later decision uses: a second
 * reader would one day read the same text as another host.
 */
import { BoundedMap, ownText } from '../base/bounded-map.ts';
import { normalHost, parentOf } from '../base/host-names.ts';

/** Longest authority accepted: a name of 253 bytes, its final dot, and a port. */
export const AUTHORITY_BYTES_MAX = 260;

/** Authorities whose parsed form is kept, so that it is not parsed again. About a thousand. */
export const AUTHORITIES_KEPT_BYTES_MAX = 262_144;

const PORT_MAX = 65_535;
const HTTP_PORT = 80;
const HTTPS_PORT = 443;

export class Authority {
  /** In normal form, see base/host-names.ts; '' when there is none. */
  readonly host: string;
  /** What a wildcard for the host stands before: `.example.org`; '' for one label. */
  readonly parent: string;
  /** As written; -1 when none was. */
  readonly port: number;
  /** Host and port as they are passed on: what was judged, not what was written. */
  readonly text: string;
  readonly #inHttp: string;
  readonly #inHttps: string;

  /** For this file. */
  constructor(host: string, port: number, text: string) {
    this.host = host;
    this.parent = parentOf(host);
    this.port = port;
    this.text = text;
    this.#inHttp = port === HTTP_PORT ? host : text;
    this.#inHttps = port === HTTPS_PORT ? host : text;
  }

  /** The text without the scheme's default port: equal for equal authorities (RFC 9110 §4.2.3). */
  inScheme(scheme: string): string {
    return scheme === 'https' ? this.#inHttps : this.#inHttp;
  }

  /** The name or the IP address, an IPv6 one without its brackets. */
  get address(): string {
    return this.host.startsWith('[') ? this.host.slice(1, -1) : this.host;
  }
}

/** Of an HTTP/1.0 request without Host. */
export const NO_AUTHORITY = new Authority('', -1, '');

interface Known {
  readonly written: string;
  readonly authority: Authority;
}

const known = new BoundedMap<Known>(AUTHORITIES_KEPT_BYTES_MAX);
/** On one connection it is nearly always the same. */
let last: Known = { written: '', authority: NO_AUTHORITY };

/** The one reader. Null for what is no authority; user information makes it none (RFC 9110 §4.2.4). */
export function parseAuthority(text: string): Authority | null {
  if (text === '' || text.length > AUTHORITY_BYTES_MAX) return null;
  if (text === last.written) return last.authority;
  let found = known.get(text);
  if (found === undefined) {
    // Of its own: a text that is part of a head would keep the whole of it.
    const written = ownText(text);
    const authority = readAuthority(written);
    if (authority === null) return null;
    found = { written, authority };
    known.set(written, found);
  }
  last = found;
  return found.authority;
}

/**
 * Of a text that the operator has written, as an origin's own name. What is no authority is passed
 * on as it is, and never taken for a host that peers ask for.
 */
export function configuredAuthority(text: string): Authority {
  return text === '' ? NO_AUTHORITY : (parseAuthority(text) ?? new Authority(text, -1, text));
}

/** Whether the text is a host with an optional port, without userinfo. */
export function isAuthority(text: string): boolean {
  return parseAuthority(text) !== null;
}

/** The port is optional, and may be empty (RFC 3986 §3.2.3): then it is as if there were none. */
function readAuthority(text: string): Authority | null {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d{0,5}))?$/.exec(text);
  if (match === null) return null;
  const [, written = '', digits = ''] = match;
  const host = normalHost(written);
  const port = digits === '' ? -1 : Number(digits);
  if (host === null || port > PORT_MAX) return null;
  return new Authority(host, port, port === -1 ? host : `${host}:${port}`);
}
