/** Names of hosts as TLS and DNS write them. */

/** RFC 1035 §2.3.4, in the form with dots; a final one is not counted. */
const NAME_CHARACTERS_MAX = 253;

/**
 * Labels of letters, digits and hyphens (RFC 1123 §2.1), with underscores, which hosts have although
 * they should not, and perhaps a final dot. ASCII only: other names are sent as A-labels (RFC 5890).
 */
const LABEL = /^[A-Za-z0-9_-]{1,63}$/;

/** Whether a text can be the name of a host. An IPv4 address reads like one. */
export function isHostName(text: string): boolean {
  const name = text.endsWith('.') ? text.slice(0, -1) : text;
  return name.length <= NAME_CHARACTERS_MAX && name.split('.').every((label) => LABEL.test(label));
}
