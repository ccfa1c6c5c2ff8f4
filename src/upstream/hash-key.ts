/** What a request is hashed by, for consistent hashing. */

import type { ClientFacts } from '../http/client-facts.ts';
import type { RequestHead } from '../http/message.ts';
import { hashText } from './hash.ts';
import type { HashKey } from './options.ts';

/** Requests that lack what was chosen are spread by their path. */
export function balanceHash(key: HashKey, head: RequestHead, client: ClientFacts | null): number {
  return hashText(textOf(key, head, client) ?? head.path);
}

function textOf(key: HashKey, head: RequestHead, client: ClientFacts | null): string | undefined {
  switch (key.on) {
    case 'path':
      return head.path;
    case 'client-address':
      return client?.remoteAddress;
    case 'field':
      return head.fields.combined(key.name);
    case 'cookie':
      return cookieNamed(key.name, head.fields.combined('cookie'));
  }
}

/** RFC 6265 §4.2.1; the first of several. */
function cookieNamed(name: string, cookies: string | undefined): string | undefined {
  if (cookies === undefined) return undefined;
  // Several Cookie lines, as HTTP/2 allows, come joined by commas where semicolons belong.
  for (const pair of cookies.split(/[;,]\s*/)) {
    const equals = pair.indexOf('=');
    if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return undefined;
}
