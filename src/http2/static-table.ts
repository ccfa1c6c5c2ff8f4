import { internFieldName } from '../http/field-names.ts';

/** The static table of RFC 7541 Appendix A. Index 0 is unused, as there. */
const LINES: readonly (readonly [name: string, value: string])[] = [
  ['', ''],
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
];

/** Entries 1 to this; the dynamic table's newest entry has the next index (RFC 7541 §2.3.3). */
export const STATIC_ENTRIES = LINES.length - 1;

export const staticNames: readonly string[] = LINES.map(([name]) => internFieldName(name));
export const staticValues: readonly string[] = LINES.map(([, value]) => value);

const firstIndexByName = new Map<string, number>();
for (let index = STATIC_ENTRIES; index > 0; index--) firstIndexByName.set(LINES[index]![0], index);

/** The lowest index whose entry has the name, or 0. */
export function staticNameIndex(name: string): number {
  return firstIndexByName.get(name) ?? 0;
}

/** The index of the entry that has this name, found at `nameIndex`, and this value; or 0. */
export function staticFieldIndex(nameIndex: number, name: string, value: string): number {
  for (let index = nameIndex; index <= STATIC_ENTRIES && LINES[index]![0] === name; index++) {
    if (LINES[index]![1] === value) return index;
  }
  return 0;
}
