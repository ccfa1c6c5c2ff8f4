/** What differs between two configuration files, key by key, as they are written. */
import { parse } from 'yaml';
import { flowText } from './document/keywords.ts';
import { type KeyPath, keyText } from './document/mistake.ts';
import type { Source } from './document/source.ts';

export interface ConfigurationChange {
  /** As `routes[0].cache.lifetime`. */
  readonly key: string;
  /** YAML on one line; '' for a key that is not there. */
  readonly before: string;
  readonly after: string;
}

/** Both must be free of mistakes. Null is a start without a file. */
export function diffConfigurations(a: Source | null, b: Source | null): ConfigurationChange[] {
  const changes: ConfigurationChange[] = [];
  compare([], valuesOf(a), valuesOf(b), changes);
  return changes;
}

function valuesOf(source: Source | null): unknown {
  return source === null ? {} : ((parse(source.text) as unknown) ?? {});
}

function compare(path: KeyPath, a: unknown, b: unknown, changes: ConfigurationChange[]): void {
  if (Array.isArray(a) && Array.isArray(b)) {
    for (let i = 0; i < Math.max(a.length, b.length); i++) {
      compare([...path, i], a[i], b[i], changes);
    }
  } else if (isMap(a) && isMap(b)) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      compare([...path, key], a[key], b[key], changes);
    }
  } else {
    const [before, after] = [shown(a), shown(b)];
    if (before !== after) changes.push({ key: keyText(path), before, after });
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Without the name and password of a URL. */
function shown(value: unknown): string {
  if (value === undefined) return '';
  return flowText(value).replace(/:\/\/[^/\s"]*@/g, '://…@');
}
