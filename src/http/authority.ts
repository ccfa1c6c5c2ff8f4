/** `host [":" port]` as Host and request targets carry it (RFC 9110 §4.2, RFC 3986 §3.2.2). */

// reg-name and IPv4address; percent-encoding is allowed by RFC 3986 and kept as it is.
const REG_NAME = "(?:[A-Za-z0-9\\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+";
const IP_LITERAL = "\\[(?:[0-9A-Fa-f:.]+|v[0-9A-Fa-f]+\\.[A-Za-z0-9\\-._~!$&'()*+,;=:]+)\\]";
const AUTHORITY = new RegExp(`^(?:${REG_NAME}|${IP_LITERAL})(?::(\\d{0,5}))?$`);

const PORT_MAX = 65_535;

/** Longest authority accepted: a DNS name of 253 octets and a port fit well. */
export const AUTHORITY_BYTES_MAX = 512;

/** The last valid authority: on one connection it is nearly always the same. */
let lastValid = '';

/** Whether the text is a host with an optional port, without userinfo. */
export function isAuthority(text: string): boolean {
  if (text === lastValid && text !== '') return true;
  if (text.length > AUTHORITY_BYTES_MAX) return false;
  const match = AUTHORITY.exec(text);
  if (match === null || Number(match[1] ?? 0) > PORT_MAX) return false;
  lastValid = text;
  return true;
}
