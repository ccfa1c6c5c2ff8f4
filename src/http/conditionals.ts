/** Entity tags and preconditions (RFC 9110 §8.8.3, §13). */

/** RFC 9110 §8.8.3 entity-tag. */
const ENTITY_TAG = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;
const LISTED_TAG = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/y;
/** What some servers and clients send for it: the quotes are missing. */
const UNQUOTED_TAG = /^(W\/)?([\x21\x23-\x2b\x2d-\x7e\x80-\xff]+)$/;

/**
 * The entity tag in its form of RFC 9110; undefined when it is none. One without its quotes is not in
 * that form, but neither can it be read in two ways: who sends it so would otherwise never be
 * answered 304. `*` is no tag, nor is what has a comma or a space, such as a date.
 */
export function readEntityTag(text: string): string | undefined {
  if (ENTITY_TAG.test(text)) return text;
  const unquoted = UNQUOTED_TAG.exec(text);
  if (unquoted === null || text === '*') return undefined;
  return `${unquoted[1] ?? ''}"${unquoted[2]}"`;
}

export function isWeakTag(entityTag: string): boolean {
  return entityTag.startsWith('W/');
}

/** RFC 9110 §8.8.3.2: equal without regard to weakness. */
export function weakMatch(a: string, b: string): boolean {
  return opaqueTag(a) === opaqueTag(b);
}

/** RFC 9110 §8.8.3.2: equal and neither weak. */
export function strongMatch(a: string, b: string): boolean {
  return a === b && !isWeakTag(a);
}

function opaqueTag(entityTag: string): string {
  return isWeakTag(entityTag) ? entityTag.slice(2) : entityTag;
}

/**
 * The entity tags of If-Match or If-None-Match; `*` for any. What is not a tag is passed over: it
 * can match none.
 */
export function parseEntityTags(value: string): readonly string[] | '*' {
  if (value.trim() === '*') return '*';
  const tags: string[] = [];
  let at = 0;
  while (at < value.length) {
    LISTED_TAG.lastIndex = at;
    const match = LISTED_TAG.exec(value);
    if (match === null) {
      const comma = value.indexOf(',', at);
      if (value[at] === ' ' || value[at] === '\t' || value[at] === ',') {
        at++;
        continue;
      }
      const end = comma === -1 ? value.length : comma;
      const unquoted = readEntityTag(value.slice(at, end).trimEnd());
      if (unquoted !== undefined) tags.push(unquoted);
      at = end + 1;
      continue;
    }
    at = LISTED_TAG.lastIndex;
    const rest = /^[ \t]*(?:,|$)/.exec(value.slice(at, at + 64));
    if (rest !== null) tags.push(match[0]);
    else if (value.includes(',', at)) at = value.indexOf(',', at) + 1;
    else break;
  }
  return tags;
}
