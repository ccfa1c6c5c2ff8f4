/**
 * Text of peers for terminals, which carry out what they read: control characters of ASCII and of
 * C1 (ESC, CSI, OSC), DEL, what turns the direction of writing round, and other line ends.
 */
const COMMANDS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

function escaped(c: string): string {
  const code = c.charCodeAt(0);
  return code < 0x100
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}

/** As it is, but for what a terminal would carry out. Line feeds and tabs stay. */
export function harmlessText(text: string): string {
  return text.replace(COMMANDS, escaped);
}

/** As {@link harmlessText}, without line feeds and tabs: for what a peer calls itself. */
export function harmlessLine(text: string): string {
  return harmlessText(text.replace(/[\t\n]/g, escaped));
}

/** The same value, of which nothing is a terminal's command either. */
export function harmlessJson(value: unknown, indent = 0): string {
  const escapeAsJson = (c: string) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value, null, indent).replace(COMMANDS, escapeAsJson);
}
