/**
 * What a proxy adds to and removes from the messages it forwards: connection-specific fields
 * (RFC 9110 §7.6.1), Via (§7.6.3), Forwarded (RFC 7239) and its older X-Forwarded-* kin.
 */
import { NO_AUTHORITY } from '../../http/authority.ts';
import { FieldSection } from '../../http/field-section.ts';
import { copyEndToEndFields } from '../../http/hop-by-hop.ts';
import type { HttpVersion, RequestHead } from '../../http/message.ts';

/** The pseudonym in Via, Cache-Status and Proxy-Status. */
export const PROXY_NAME = 'sluice';

const VIA_REQUEST: Record<HttpVersion, string> = {
  '1.0': `1.0 ${PROXY_NAME}`,
  '1.1': `1.1 ${PROXY_NAME}`,
  '2': `2.0 ${PROXY_NAME}`,
  '3': `3.0 ${PROXY_NAME}`,
};

/** Via values of our own longer than this many mean that a message goes in circles. */
const VIA_OWN_MAX = 8;

/** Whether the request has passed through us so often that it must be in a loop (RFC 9110 §7.6.3). */
export function isLooping(fields: FieldSection): boolean {
  const via = fields.combined('via');
  if (via === undefined) return false;
  let own = 0;
  for (const hop of via.split(',')) if (hop.trim().endsWith(` ${PROXY_NAME}`)) own++;
  return own >= VIA_OWN_MAX;
}

export interface ForwardingFacts {
  /** Of whoever is connected; see RequestFacts. */
  readonly peerAddress: string;
  /** The handshake is still open as the request is sent on (RFC 8470 §5.1). */
  readonly early: boolean;
  /** The origin's own authority, for HTTP/1.0 requests that name none (RFC 9112 §3.2). */
  readonly originAuthority: string;
}

/** The fields of the request as the origin receives it, Host included. */
export function requestFieldsToOrigin(head: RequestHead, facts: ForwardingFacts): FieldSection {
  const fields = new FieldSection();
  // RFC 9110 §7.2: Host comes first.
  const authority = head.authority === NO_AUTHORITY ? facts.originAuthority : head.authority.text;
  fields.append('host', authority);
  copyEndToEndFields(head.fields, fields);
  // As the client sent it, it follows ours.
  fields.set('host', authority);
  if (head.upgrade !== '') {
    fields.append('connection', 'upgrade');
    fields.append('upgrade', head.upgrade);
  }
  countDown(head, fields);
  // RFC 9110 §10.1.4: we forward trailers, so that a client's TE: trailers goes on. HTTP/1.1 would
  // have to name it in Connection; there it is left out.
  if (wantsTrailers(head.fields)) fields.append('te', 'trailers');
  appendListMember(fields, 'via', VIA_REQUEST[head.version]);
  // What is there of these has been told by a trusted proxy (client-claims.ts).
  const address = facts.peerAddress;
  if (address !== 'unix') appendListMember(fields, 'x-forwarded-for', address);
  fields.set('x-forwarded-proto', head.scheme);
  if (!fields.has('x-forwarded-host')) fields.append('x-forwarded-host', authority);
  appendListMember(fields, 'forwarded', forwardedElement(address, authority, head.scheme));
  // RFC 8470 §5.1: an intermediary that received the field keeps it; several or odd values count as
  // one "1".
  if (facts.early || fields.has('early-data')) fields.set('early-data', '1');
  return fields;
}

/** RFC 9110 §7.6.2: for TRACE and OPTIONS; at 0 the exchange answers and nothing is forwarded. */
function countDown(head: RequestHead, fields: FieldSection): void {
  if (head.method !== 'OPTIONS' && head.method !== 'TRACE') return;
  const value = fields.first('max-forwards');
  if (value !== undefined && /^\d{1,9}$/.test(value)) {
    fields.set('max-forwards', String(Math.max(0, Number(value) - 1)));
  }
}

function wantsTrailers(fields: FieldSection): boolean {
  const codings = fields.combined('te')?.split(',') ?? [];
  return codings.some((coding) => coding.trim().toLowerCase() === 'trailers');
}

/**
 * A list that ends inside a quoted string would swallow our member: whoever sent it could hide what
 * we say of it (RFC 7239 §8.1). Nobody can read such a list, so ours takes its place.
 */
function appendListMember(fields: FieldSection, name: string, member: string): void {
  const present = fields.combined(name);
  const isOurs = present === undefined || present === '' || endsInQuotes(present);
  fields.set(name, isOurs ? member : `${present}, ${member}`);
}

/** Whether a quoted string (RFC 9110 §5.6.4) is open at the end. */
function endsInQuotes(value: string): boolean {
  let isOpen = false;
  for (let at = value.indexOf('"'); at >= 0 && at < value.length; at++) {
    const character = value[at];
    if (character === '"') isOpen = !isOpen;
    else if (isOpen && character === '\\') at++;
  }
  return isOpen;
}

/** RFC 7239 §4: IPv6 addresses and hosts with a port are quoted. Without `authority`, `for` alone. */
export function forwardedElement(address: string, authority = '', scheme = ''): string {
  const node = address === 'unix' ? 'unknown' : address.includes(':') ? `"[${address}]"` : address;
  return authority === '' ? `for=${node}` : `for=${node};host="${authority}";proto=${scheme}`;
}

/** The fields of an origin's response as the client receives it, before framing. */
export function responseFieldsToClient(
  received: FieldSection,
  dateIfAbsent: string,
  cacheStatus: string,
): FieldSection {
  const fields = new FieldSection();
  copyEndToEndFields(received, fields);
  // RFC 9110 §6.6.1: a recipient with a clock that receives a response without Date adds one.
  if (!fields.has('date')) fields.append('date', dateIfAbsent);
  addOurMark(fields, cacheStatus);
  return fields;
}

/** Via and our member of Cache-Status (RFC 9211 §2), on every response that passes through us. */
export function addOurMark(fields: FieldSection, cacheStatus: string): void {
  appendListMember(fields, 'via', `1.1 ${PROXY_NAME}`);
  appendListMember(fields, 'cache-status', cacheStatus);
}

/** Says something else in our member of Cache-Status, which `addOurMark` has put at the end. */
export function replaceOurStatus(fields: FieldSection, cacheStatus: string): void {
  const present = fields.combined('cache-status') ?? '';
  const others = present.slice(0, Math.max(0, present.lastIndexOf(`, ${PROXY_NAME}`)));
  fields.set('cache-status', others === '' ? cacheStatus : `${others}, ${cacheStatus}`);
}
