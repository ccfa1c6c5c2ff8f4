/** Character classes of RFC 9110 §5.6 and RFC 9112 as tables by byte. */

/** tchar (RFC 9110 §5.6.2) in lower case; 0 for everything else. */
export const TOKEN = new Uint8Array(256);
for (const c of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
  TOKEN[c.charCodeAt(0)] = c.charCodeAt(0);
  TOKEN[c.toUpperCase().charCodeAt(0)] = c.charCodeAt(0);
}

/**
 * What may stand between line ends: HTAB, SP, VCHAR, obs-text (RFC 9110 §5.5). NUL, CR, LF and the
 * other controls are 0.
 */
export const TEXT = new Uint8Array(256);
for (let c = 0; c < 256; c++) TEXT[c] = c === 0x09 || (c >= 0x20 && c !== 0x7f) ? 1 : 0;

/**
 * What may stand in a request target: visible ASCII but `#`, as a fragment is never sent (RFC 9110
 * §7.1). That is more than RFC 3986 allows: browsers send `[ ] { } | \ ^` and backticks as they are,
 * and nothing here decodes or normalizes a target, so no two readings can differ.
 */
export const TARGET = new Uint8Array(256);
for (let c = 0x21; c < 0x7f; c++) TARGET[c] = c === 0x23 ? 0 : 1;

export const CR = 0x0d;
export const LF = 0x0a;
export const SP = 0x20;
export const HTAB = 0x09;
export const COLON = 0x3a;

export function isBlank(c: number): boolean {
  return c === SP || c === HTAB;
}
