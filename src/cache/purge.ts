/** What a purge selects. Tags are the members of Surrogate-Key and Cache-Tag. */
import { normalHost } from '../base/host-names.ts';
import { configuredAuthority } from '../http/authority.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { PurgeSelector } from './contract.ts';
import { targetOfKey } from './rules/key.ts';

/** Tags of one response that are indexed: more is a mistake of the origin's. */
export const TAGS_MAX = 256;

/** Surrogate-Key separates by spaces, Cache-Tag by commas; case matters in neither. */
export function tagsOf(fields: FieldSection): string[] {
  const tags = new Set<string>();
  for (let i = 0; i < fields.length; i++) {
    const name = fields.names[i];
    if (name !== 'surrogate-key' && name !== 'cache-tag') continue;
    const separator = name === 'surrogate-key' ? /[ \t]/ : ',';
    for (const member of fields.values[i]!.split(separator)) {
      const tag = member.trim();
      if (tag !== '' && tags.size < TAGS_MAX) tags.add(tag.toLowerCase());
    }
  }
  return [...tags];
}

export function isSelected(selector: PurgeSelector, key: string, fields: FieldSection): boolean {
  switch (selector.kind) {
    case 'key':
      return key === selector.key || targetOfKey(key) === selector.key;
    case 'prefix':
      return key.startsWith(selector.prefix);
    case 'host':
      return hostOfKey(key) === hostOfSelector(selector.host);
    case 'tag':
      return tagsOf(fields).includes(selector.tag.toLowerCase());
    case 'all':
      return true;
  }
}

/** The host in a cache key, where it is in normal form already. */
export function hostOfKey(key: string): string {
  const start = key.indexOf('://') + 3;
  const end = key.indexOf('/', start);
  return configuredAuthority(key.slice(start, end === -1 ? key.length : end)).host;
}

/** As hosts are in keys: what is no host selects nothing. An IPv6 address may be without brackets. */
export function hostOfSelector(host: string): string {
  return normalHost(host) ?? normalHost(`[${host}]`) ?? host;
}
