/**
 * Which values of a configuration file are secrets, by its schema, and the file without them. Decided
 * over the parsed document: how a value is written, as a block, on one line or by reference, makes no
 * difference.
 */
import { parseDocument, stringify } from 'yaml';
import { REDACTED, redactedText } from '../triage/redaction.ts';
import type { ValueSchema } from './document/keywords.ts';

/** Shorter secrets are hidden where they are, and not looked for elsewhere: they are words. */
const SOUGHT_LENGTH_MIN = 6;
/** Longer ones are looked for within other values, too. */
const SOUGHT_WITHIN_MIN = 12;

/** What there is to know of a value by its place: the schemas that it may be read by. */
export type PossibleSchemas = readonly ValueSchema[];

function schemasBelow(schemas: PossibleSchemas, key: string | number): PossibleSchemas {
  return ways(schemas).flatMap((schema) => {
    if (typeof key === 'number') return schema.items ?? [];
    const { properties = {}, patternProperties = {}, additionalProperties } = schema;
    if (Object.hasOwn(properties, key)) return properties[key]!;
    const [, inner] =
      Object.entries(patternProperties).find(([pattern]) => new RegExp(pattern, 'u').test(key)) ??
      [];
    if (inner !== undefined) return inner;
    return typeof additionalProperties === 'object' ? additionalProperties : [];
  });
}

function ways(schemas: PossibleSchemas): PossibleSchemas {
  return schemas.flatMap((schema) => [schema, ...ways(schema.anyOf ?? [])]);
}

/** What no schema knows may be anything. */
export function isSecret(schemas: PossibleSchemas): boolean {
  return schemas.length === 0 || ways(schemas).some((schema) => schema['x-secret'] === true);
}

/** Plain data as a file has it, without its secrets. */
export function withoutSecrets(value: unknown, schema: ValueSchema): unknown {
  const found = new Set<string>();
  collect(value, [schema], found);
  return redacted(value, [schema], found);
}

function collect(value: unknown, schemas: PossibleSchemas, found: Set<string>): void {
  if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of entriesOf(value)) collect(inner, schemasBelow(schemas, key), found);
  } else if (isSecret(schemas)) {
    const text = String(value);
    if (text.length >= SOUGHT_LENGTH_MIN) found.add(text);
  }
}

function redacted(value: unknown, schemas: PossibleSchemas, found: ReadonlySet<string>): unknown {
  if (Array.isArray(value)) {
    return value.map((inner, i) => redacted(inner, schemasBelow(schemas, i), found));
  }
  if (typeof value === 'object' && value !== null) {
    const pairs = entriesOf(value).map(([key, inner]) => {
      const below = redacted(inner, schemasBelow(schemas, key), found);
      return [sought(String(key), found), below] as const;
    });
    return Object.fromEntries(pairs);
  }
  // That a feature is off, or not given, is no secret.
  if (value === null || value === 'off' || typeof value === 'boolean') return value;
  if (isSecret(schemas)) return REDACTED;
  return typeof value === 'string' ? redactedText(sought(value, found)) : value;
}

/** A secret may stand in a second place, by a reference or written again. */
function sought(text: string, found: ReadonlySet<string>): string {
  if (found.has(text)) return REDACTED;
  for (const secret of found) {
    if (secret.length >= SOUGHT_WITHIN_MIN) text = text.replaceAll(secret, REDACTED);
  }
  return text;
}

function entriesOf(value: object): (readonly [string | number, unknown])[] {
  if (Array.isArray(value)) return value.map((inner, i) => [i, inner] as const);
  return Object.entries(value);
}

/**
 * A file's values as YAML, without secrets and without comments, in which there might be some. Null
 * for what cannot be read.
 */
export function textWithoutSecrets(text: string, schema: ValueSchema): string | null {
  try {
    const document = parseDocument(text, { prettyErrors: false, logLevel: 'error' });
    if (document.errors.length > 0) return null;
    const plain: unknown = document.toJS({ maxAliasCount: 100 });
    return stringify(withoutSecrets(plain, schema), { aliasDuplicateObjects: false });
  } catch {
    return null;
  }
}
