/** What a response to an unsafe request makes invalid (RFC 9111 §4.4). */
import type { FieldSection } from '../../http/field-section.ts';
import type { RequestHead } from '../../http/message.ts';
import { isSafeMethod } from '../../http/methods.ts';
import { defaultKeyRules, type KeyRules, keyOf, targetKey } from './key.ts';

/**
 * The target URIs, as cache keys without added fields, whose stored responses must go; empty for
 * safe methods and errors. Methods that are not known count as unsafe.
 */
export function invalidatedKeys(
  request: RequestHead,
  status: number,
  response: FieldSection,
  rules: KeyRules = defaultKeyRules,
): string[] {
  if (isSafeMethod(request.method) || status < 200 || status > 399) return [];
  const keys = [keyOf(request.scheme, request.authority, request.path, rules)];
  const target = `${request.scheme}://${request.authority.text}${request.path}`;
  for (const name of ['location', 'content-location']) {
    const reference = response.first(name);
    const key = reference === undefined ? undefined : sameOriginKey(reference, target, rules);
    if (key !== undefined && !keys.includes(key)) keys.push(key);
  }
  return keys;
}

/** RFC 9111 §4.4: other origins' responses are out of reach, or anyone could invalidate them. */
function sameOriginKey(reference: string, target: string, rules: KeyRules): string | undefined {
  const [url, base] = [URL.parse(reference, target), URL.parse(target)];
  if (url === null || base === null || url.origin !== base.origin) return undefined;
  return targetKey(url.protocol.slice(0, -1), url.host, url.pathname + url.search, rules);
}
