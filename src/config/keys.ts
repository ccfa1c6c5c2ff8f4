/** Every key of the configuration file, by its path, with its documentation. */
import { UsageError } from '../base/errors.ts';
import { flowText, type ValueSchema } from './document/keywords.ts';
import { type ValueTypeName, valueTypes } from './document/value-types.ts';
import { nearestWord } from './suggestion.ts';

export interface KeyInfo {
  /** As `routes[].cache.lifetime`; `*` stands for a name of the user's choice. */
  readonly path: string;
  readonly schema: ValueSchema;
}

/** The keys right below, of all ways to write the value; none that are described elsewhere. */
export function keysBelow({ path, schema }: KeyInfo): KeyInfo[] {
  if (schema['x-same-as'] !== undefined) return [];
  const found = new Map<string, KeyInfo>();
  const add = (part: string, inner: ValueSchema) => {
    const below = path === '' ? part : `${path}.${part}`;
    if (!found.has(below)) found.set(below, { path: below, schema: inner });
  };
  for (const [name, inner] of Object.entries(schema.properties ?? {})) add(name, inner);
  for (const [pattern, inner] of Object.entries(schema.patternProperties ?? {})) {
    add(/^\^[\w-]+$/.test(pattern) ? `${pattern.slice(1)}*` : '*', inner);
  }
  if (typeof schema.additionalProperties === 'object') add('*', schema.additionalProperties);
  const within = [
    ...(schema.anyOf ?? []).map((one) => ({ path, schema: one })),
    ...(schema.items === undefined ? [] : [{ path: `${path}[]`, schema: schema.items }]),
  ];
  for (const one of within) for (const key of keysBelow(one)) found.set(key.path, key);
  return [...found.values()];
}

/** The key and all below it, each before those below. */
export function allKeys(root: KeyInfo): KeyInfo[] {
  return keysBelow(root).flatMap((key) => [key, ...allKeys(key)]);
}

export type FoundKey =
  | { readonly kind: 'found'; readonly key: KeyInfo }
  /** `remedy`: what to write in its place. */
  | { readonly kind: 'unknown'; readonly part: string; readonly remedy: string };

/** More are no help. */
const NAMESAKES_MAX = 4;
/** Longer lists are not read. */
export const NAMES_SHOWN_MAX = 20;

/**
 * Keys further down of that name, or of one near to it; none when there are too many. Subsystems
 * have the names of what they log about: nobody means their levels.
 */
export function keysNamed(root: KeyInfo, name: string): KeyInfo[] {
  const all = allKeys(root).filter(
    ({ path }) => path.includes('.') && !path.startsWith('error-log.levels.'),
  );
  const isMeant = all.some((key) => isNamed(key, name))
    ? (last: string) => last === name || last === `${name}s`
    : (last: string) => nearestWord(name, [last]) !== undefined;
  const found = all.filter(({ path }) => isMeant(lastPart(path)));
  return found.length <= NAMESAKES_MAX ? found : [];
}

export function isNamed({ path }: KeyInfo, name: string): boolean {
  return lastPart(path) === name;
}

/**
 * `routes[].cache`, `routes[0].cache` and `routes.cache` are the same; a name is enough if one has it.
 */
export function findKey(schema: ValueSchema, written: string): FoundKey {
  const root: KeyInfo = { path: '', schema };
  const found = findPath(root, written);
  if (found.kind === 'found' || !/^[\w-]+$/.test(written)) return found;
  const named = keysNamed(root, written);
  const [only, another] = named.filter((key) => isNamed(key, written));
  if (only !== undefined && another === undefined) return { kind: 'found', key: only };
  if (named.length === 0) return found;
  return { ...found, remedy: `did you mean ${eitherOf(named)}?` };
}

/** As `a or b`. */
export function eitherOf(keys: readonly KeyInfo[]): string {
  return keys.map(({ path }) => path).join(' or ');
}

function findPath(root: KeyInfo, written: string): FoundKey {
  let key = root;
  for (const part of written
    .replace(/\[\w*\]/g, '')
    .split('.')
    .filter(Boolean)) {
    const below = keysBelow(key);
    const next = below.find(({ path }) => matches(lastPart(path), part));
    if (next === undefined) return { kind: 'unknown', part, remedy: remedyFor(part, key, below) };
    key = next;
  }
  return { kind: 'found', key };
}

function remedyFor(part: string, parent: KeyInfo, below: readonly KeyInfo[]): string {
  const names = below.map(({ path }) => lastPart(path));
  if (names.length === 0) return `${parent.path} has no keys: write ${parent.path}`;
  const near = nearestWord(part, names);
  if (near !== undefined) return `did you mean ${near}?`;
  if (names.length > NAMES_SHOWN_MAX) return 'config explain without a KEY lists them';
  return `write one of ${names.join(', ')}`;
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1);
}

function matches(known: string, part: string): boolean {
  return known.endsWith('*') ? part.startsWith(known.slice(0, -1)) : known === part;
}

/** How a value is written, in a few words. */
export function formText(schema: ValueSchema): string {
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(formText))].join(', or ');
  const kind = schema['x-kind'];
  if (kind !== undefined) return valueTypes[kind].placeholder;
  if (schema.enum !== undefined) return schema.enum.join('|');
  if (schema.type === 'array') return `list of ${formText(schema.items ?? {})}`;
  if (schema.type === 'object') return schema.properties === undefined ? 'map by name' : 'map';
  if (schema.type === 'string') return 'text';
  const { minimum, maximum } = schema;
  const least = minimum === undefined ? '' : ` from ${minimum}`;
  return `number${least}${maximum === undefined ? '' : ` to ${maximum}`}`;
}

/** The default as it would be written, or in words. */
export function defaultText({ default: value }: ValueSchema): string {
  if (value === undefined) return 'none';
  return typeof value === 'string' ? value : flowText(value);
}

/** Whether the default is told in words, because it cannot be written. */
export function isWrittenInWords(schema: ValueSchema): boolean {
  const { default: value, anyOf, enum: words } = schema;
  if (typeof value !== 'string') return false;
  if (words?.includes(value)) return false;
  if (anyOf !== undefined)
    return anyOf.every((one) => isWrittenInWords({ ...one, default: value }));
  const kind = schema['x-kind'];
  // Any text is a path, or a text.
  if (kind === undefined || kind.startsWith('path') || kind === 'log-target') return true;
  return !isRight(kind, value);
}

function isRight(kind: ValueTypeName, text: string): boolean {
  try {
    valueTypes[kind].parse(
      { name: '', placeholder: '', example: '' },
      { text, place: '', directory: '/' },
    );
    return true;
  } catch (error) {
    if (error instanceof UsageError) return false;
    throw error;
  }
}
