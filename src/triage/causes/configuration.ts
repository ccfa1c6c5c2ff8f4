/** What differs between two configurations, as single changes that can be made one by one. */
import type { JsonValue } from '../incident.ts';

export interface ConfigurationChange {
  /** JSON pointer (RFC 6901) of the leaf, as `/drainTimeoutMs` or `/hosts/0/tls/groups`. */
  readonly path: string;
  /** Undefined where it was not there. */
  readonly before: JsonValue | undefined;
  readonly after: JsonValue | undefined;
}

type JsonRecord = { readonly [key: string]: JsonValue };

/** In the order of the second one. Lists of one length differ by entry, others as a whole. */
export function changesBetween(before: JsonValue, after: JsonValue): ConfigurationChange[] {
  return differences('', before, after);
}

function differences(
  path: string,
  before: JsonValue | undefined,
  after: JsonValue | undefined,
): ConfigurationChange[] {
  if (isRecord(before) && isRecord(after)) {
    const names = new Set([...Object.keys(after), ...Object.keys(before)]);
    return [...names].flatMap((name) =>
      differences(`${path}/${escaped(name)}`, before[name], after[name]),
    );
  }
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    return after.flatMap((item, index) => differences(`${path}/${index}`, before[index], item));
  }
  return isEqual(before, after) ? [] : [{ path, before, after }];
}

/** The first configuration with some of the changes to the other one. */
export function withChanges(
  configuration: JsonValue,
  changes: readonly ConfigurationChange[],
): JsonValue {
  const copy = { root: structuredClone(configuration) as JsonValue };
  for (const { path, after } of changes) setAt(copy, path, after);
  return copy.root;
}

function setAt(holder: { root: JsonValue }, path: string, value: JsonValue | undefined): void {
  const names = path.split('/').slice(1).map(unescaped);
  const last = names.pop();
  if (last === undefined) {
    holder.root = value ?? null;
    return;
  }
  let at = holder.root as unknown as Record<string, unknown>;
  for (const name of names) at = at[name] as Record<string, unknown>;
  if (value === undefined) delete at[last];
  else at[last] = structuredClone(value);
}

function isRecord(value: JsonValue | undefined): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEqual(one: JsonValue | undefined, other: JsonValue | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

function unescaped(name: string): string {
  return name.replaceAll('~1', '/').replaceAll('~0', '~');
}
