/** What differs between two configuration files, key by key, as they are written. */

import { parse } from 'yaml';
import { type KeyPath, keyText } from './document/diagnostic.ts';
import { flowText, type ValueSchema } from './document/keywords.ts';
import type { Source } from './document/source.ts';
import { withoutSecrets } from './secrets.ts';

export interface KeyChange {
  /** As `routes[0].cache.lifetime`. */
  readonly key: string;
  /** YAML on one line; '' for a key that is not there. */
  readonly before: string;
  readonly after: string;
}

/** Both must be free of mistakes. Null is a start without a file. */
export function diffConfigurations(
  a: Source | null,
  b: Source | null,
  schema: ValueSchema,
): KeyChange[] {
  const changes: KeyChange[] = [];
  const [before, after] = [valuesOf(a), valuesOf(b)];
  const told = { before: withoutSecrets(before, schema), after: withoutSecrets(after, schema) };
  compare([], before, after, told, changes);
  return changes;
}

function valuesOf(source: Source | null): unknown {
  return source === null ? {} : ((parse(source.text) as unknown) ?? {});
}

/** The same two values as they may be shown. */
interface Told {
  readonly before: unknown;
  readonly after: unknown;
}

function compare(path: KeyPath, a: unknown, b: unknown, told: Told, changes: KeyChange[]): void {
  const keys =
    Array.isArray(a) && Array.isArray(b)
      ? Array.from({ length: Math.max(a.length, b.length) }, (_, i) => i)
      : isMap(a) && isMap(b)
        ? new Set([...Object.keys(a), ...Object.keys(b)])
        : null;
  if (keys !== null) {
    for (const key of keys) {
      const below = { before: at(told.before, key), after: at(told.after, key) };
      compare([...path, key], at(a, key), at(b, key), below, changes);
    }
  } else if (shown(a) !== shown(b)) {
    changes.push({ key: keyText(path), before: shown(told.before), after: shown(told.after) });
  }
}

function at(value: unknown, key: string | number): unknown {
  return (value as Record<string | number, unknown> | undefined)?.[key];
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  return value === undefined ? '' : flowText(value);
}
