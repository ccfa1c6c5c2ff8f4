/** Character classes of RFC 9110 §5.6 and RFC 9112 as tables by octet. */

/** tchar (RFC 9110 §5.6.2). */
export const TOKEN = new Uint8Array(256);
for (const c of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  TOKEN[c.charCodeAt(0)] = 1;
}

/**
 * What may stand between line ends: HTAB, SP, VCHAR, obs-text (RFC 9110 §5.5). NUL, CR, LF and the
 * other controls are 0.
 */
export const TEXT = new Uint8Array(256);
for (let c = 0; c < 256; c++) TEXT[c] = c === 0x09 || (c >= 0x20 && c !== 0x7f) ? 1 : 0;

export const CR = 0x0d;
export const LF = 0x0a;
export const SP = 0x20;
export const HTAB = 0x09;
export const COLON = 0x3a;

export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (TOKEN[text.charCodeAt(i)] !== 1) return false;
  return text.length > 0;
}
