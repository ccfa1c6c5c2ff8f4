/** `host [":" port]` as Host and request targets carry it (RFC 9110 §4.2, RFC 3986 §3.2.2). */

// reg-name and IPv4address; percent-encoding is allowed by RFC 3986 and kept as it is.
const REG_NAME = "(?:[A-Za-z0-9\\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+";
const IP_LITERAL = "\\[(?:([0-9A-Fa-f:.]+)|v[0-9A-Fa-f]+\\.[A-Za-z0-9\\-._~!$&'()*+,;=:]+)\\]";
const AUTHORITY = new RegExp(`^(?:${REG_NAME}|${IP_LITERAL})(?::(\\d{0,5}))?$`);

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
const IPV6_GROUP = /^[0-9A-Fa-f]{1,4}$/;
const IPV6_GROUPS = 8;

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
  if (match === null || Number(match[2] ?? 0) > PORT_MAX) return false;
  if (match[1] !== undefined && !isIpv6(match[1])) return false;
  lastValid = text;
  return true;
}

/** IPv6address (RFC 3986 §3.2.2): eight groups, or fewer around one `::`; IPv4 may end it. */
export function isIpv6(text: string): boolean {
  const halves = text.split('::');
  if (halves.length > 2) return false;
  let count = 0;
  for (const [index, half] of halves.entries()) {
    if (half === '' && halves.length === 2) continue;
    const groups = half.split(':');
    const last = groups[groups.length - 1]!;
    if (index === halves.length - 1 && last.includes('.')) {
      if (!IPV4.test(last)) return false;
      groups.pop();
      count += 2;
    }
    if (!groups.every((group) => IPV6_GROUP.test(group))) return false;
    count += groups.length;
  }
  return halves.length === 2 ? count < IPV6_GROUPS : count === IPV6_GROUPS;
}
