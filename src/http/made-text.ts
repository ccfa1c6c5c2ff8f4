/**
 * Texts of a head that are made here: of variables, rewrites and configuration. Each kind has one
 * check, where it is made; what peers send has been read by the protocol cores. Texts are byte
 * strings, so that no character is beyond U+00FF.
 */

/** RFC 9110 §5.5, obs-text included: no control character but HTAB, no blank at an end. */
export function isFieldValue(text: string): boolean {
  if (/[^\t\x20-\x7e\x80-\xff]/.test(text)) return false;
  return !/^[\t ]/.test(text) && !/[\t ]$/.test(text.slice(-1));
}

/** A method, and a name of a field (RFC 9110 §5.6.2). */
export function isToken(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
}

/** Path and query as a request line and `:path` carry them: no blank, no fragment. */
export function isOriginForm(text: string): boolean {
  return text.startsWith('/') && !/[^!"$-~\x80-\xff]/.test(text);
}

/** The same of what an operator writes: a file is UTF-8 and a head is not, so it is ASCII. */
export function isAsciiOriginForm(text: string): boolean {
  return isOriginForm(text) && !/[^\x21-\x7e]/.test(text);
}
