/** Fields of the access log that bear a name of the operator's choice: headers and cookies. */
import type { ExchangeSummary } from './exchange-summary.ts';

export interface AccessLogField {
  /** Key in JSON lines, and in the `key=value` part of combined ones. */
  readonly name: string;
  readonly doc: string;
  /**
   * Where a combined line has it: at its classic place, after it as `key=value`, or not at all. With
   * `asked`, JSON lines have it only when it is asked for, too.
   */
  readonly combined: 'classic' | 'added' | 'no' | 'asked';
  /** Null: not known, or does not apply. */
  readonly value: (summary: ExchangeSummary) => string | number | boolean | null;
}

/** Characters of a name of a header (RFC 9110 §5.1) or cookie (RFC 6265 §4.1.1). */
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/;

interface NamedFields {
  readonly prefix: string;
  readonly doc: string;
  /** What reads the header or cookie of a name. */
  readonly reader: (name: string) => (summary: ExchangeSummary) => string | undefined;
}

export const namedLogFields: readonly NamedFields[] = [
  {
    prefix: 'header:',
    doc: 'a header of the request; lines of the same name are joined with commas',
    reader(name) {
      const inLowerCase = name.toLowerCase();
      return ({ requestHeaders }) => requestHeaders?.combined(inLowerCase);
    },
  },
  {
    prefix: 'response_header:',
    doc: 'a header of the response that the client got',
    reader(name) {
      const inLowerCase = name.toLowerCase();
      return ({ responseHeaders }) => responseHeaders?.combined(inLowerCase);
    },
  },
  {
    prefix: 'cookie:',
    doc: 'a cookie of the request: its first value. Think twice: most cookies are secrets',
    reader:
      (name) =>
      ({ requestHeaders }) =>
        cookieIn(requestHeaders?.combined('cookie') ?? '', name),
  },
];

/** The field `header:NAME` and its like; undefined for what is none. */
export function namedLogField(field: string): AccessLogField | undefined {
  const kind = namedLogFields.find(({ prefix }) => field.startsWith(prefix));
  const name = field.slice(kind?.prefix.length ?? 0);
  if (kind === undefined || !NAME.test(name)) return undefined;
  const { doc, reader } = kind;
  const read = reader(name);
  return { name: field, doc, combined: 'asked', value: (summary) => read(summary) ?? null };
}

/** HTTP/2 may send pairs in lines of their own, which are joined here by a comma (RFC 9113 §8.2.3). */
function cookieIn(cookies: string, name: string): string | undefined {
  for (const pair of cookies.split(/[;,]/)) {
    const mark = pair.indexOf('=');
    if (mark !== -1 && pair.slice(0, mark).trim() === name) return pair.slice(mark + 1).trim();
  }
  return undefined;
}
