/**
 * What sections are made of: TypeBox schemas that say both how a value is written (JSON Schema, for
 * editors) and what it is once read (the static type). See README.md beside this file.
 */
import { type Static, type TSchema, type TUnsafe, Type } from 'typebox';
import type { AddressRange } from '../../base/address-range.ts';
import type { KindName } from '../document/kinds.ts';
import type { Endpoint, OriginOptions } from '../options.ts';

/** What every key says of itself. */
export interface KeyWords {
  /** One sentence. */
  readonly title: string;
  /** What it adds: consequences, limits, reasons. */
  readonly description?: string;
  /** As it would be written; words for what cannot be. */
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
}

export interface NumberWords extends KeyWords {
  readonly minimum?: number;
  readonly maximum?: number;
}

export interface TextWords extends KeyWords {
  readonly pattern?: string;
  readonly minLength?: number;
}

const WORDS = ['string', 'integer', 'boolean'];

/** How editors see values of a kind. Hints: the parser of the kind decides. */
const forms: Readonly<Record<KindName, object>> = {
  account: { type: ['string', 'integer'] },
  addresses: { type: 'string' },
  'addresses-or-off': { type: 'string' },
  count: { type: 'integer', minimum: 1 },
  duration: { type: 'string', pattern: '^\\d+(\\.\\d+)? ?(ms|s|m)$' },
  endpoint: { type: ['string', 'integer'] },
  'endpoint-or-off': { type: ['string', 'integer', 'boolean'] },
  'error-log-format': { enum: ['text', 'json'] },
  feature: { type: 'string', pattern: '=(on|off)$' },
  'client-field': { enum: ['x-forwarded-for', 'forwarded'] },
  'log-format': { enum: ['combined', 'json'] },
  'log-level': { type: 'string', pattern: '^([a-z]+=)?(error|warning|notice|info|debug)$' },
  'log-scope': { enum: ['failed', 'all'] },
  'log-target': { type: ['string', 'boolean'] },
  'long-duration': { type: 'string', pattern: '^\\d+(\\.\\d+)? ?(ms|s|m|h|d)$' },
  path: { type: 'string' },
  'path-or-off': { type: ['string', 'boolean'] },
  'redis-or-off': { type: ['string', 'boolean'] },
  share: { type: 'string', pattern: '^[\\d.]+ ?%$' },
  size: { type: ['string', 'integer'], pattern: '^\\d+(\\.\\d+)? ?([KMGTkmgt]i?)?[Bb]?$' },
  switch: { enum: ['on', 'off', true, false] },
  url: { type: 'string' },
  'url-or-off': { type: ['string', 'boolean'] },
};

/** Their texts hold passwords: a Redis's, or the secret path of a webhook. */
const secretKinds: ReadonlySet<KindName> = new Set(['redis-or-off', 'url-or-off']);

/** A value that is read by the kind's parser. */
export function ofKind<T>(kind: KindName, words: Partial<KeyWords>): TUnsafe<T> {
  const secret = secretKinds.has(kind) ? { 'x-secret': true } : {};
  return Type.Unsafe({ type: WORDS, ...forms[kind], 'x-kind': kind, ...secret, ...words });
}

/** `on` or `off`; a boolean once read. */
export function onOff(words: KeyWords): TUnsafe<boolean> {
  return ofKind('switch', words);
}

/** Milliseconds once read; up to an hour. */
export function duration(words: KeyWords): TUnsafe<number> {
  return ofKind('duration', words);
}

/** Milliseconds once read; also hours and days. */
export function longDuration(words: KeyWords): TUnsafe<number> {
  return ofKind('long-duration', words);
}

/** Octets once read. */
export function size(words: KeyWords): TUnsafe<number> {
  return ofKind('size', words);
}

/** `20%`; 0 to 1 once read. */
export function share(words: KeyWords): TUnsafe<number> {
  return ofKind('share', words);
}

/** `[HOST:]PORT` or `unix:PATH`. */
export function endpoint(words: KeyWords): TUnsafe<Endpoint> {
  return ofKind('endpoint', words);
}

/** An http, https or h2c URL. */
export function originUrl(words: KeyWords): TUnsafe<OriginOptions> {
  return ofKind('url', words);
}

/** An absolute path once read; relative to the file as written. */
export function file(words: KeyWords): TUnsafe<string> {
  return ofKind('path', words);
}

/** IP addresses and ranges of them; `localhost` is this machine. */
export function addressRanges(words: KeyWords): TUnsafe<readonly AddressRange[]> {
  const items = ofKind('addresses', { title: 'ADDRESS[/BITS]', examples: ['10.0.0.0/8'] });
  return Type.Unsafe({ type: 'array', items, examples: [['10.0.0.0/8']], ...words });
}

/** `-`, `off`, or an absolute path once read. */
export function logTarget(words: KeyWords): TUnsafe<string> {
  return ofKind('log-target', words);
}

export function text(words: TextWords): TUnsafe<string> {
  return Type.Unsafe({ type: 'string', ...words });
}

/** Not shown in messages. */
export function secretText(words: TextWords): TUnsafe<string> {
  return Type.Unsafe({ type: 'string', 'x-secret': true, ...words });
}

export function integer(words: NumberWords): TUnsafe<number> {
  return Type.Unsafe({ type: 'integer', ...words });
}

export function number(words: NumberWords): TUnsafe<number> {
  return Type.Unsafe({ type: 'number', ...words });
}

/** One of some words, or of some numbers. */
export function oneOf<const W extends readonly (string | number)[]>(
  list: W,
  words: KeyWords,
): TUnsafe<W[number]> {
  const type = typeof list[0] === 'number' ? 'integer' : 'string';
  return Type.Unsafe({ type, enum: list, ...words });
}

export function list<S extends TSchema>(
  items: S,
  words: KeyWords & { readonly minItems?: number },
): TUnsafe<readonly Static<S>[]> {
  return Type.Unsafe({ type: 'array', items, ...words });
}

/** A map with keys of the user's choice. */
export function mapOf<S extends TSchema>(
  values: S,
  words: KeyWords,
): TUnsafe<Readonly<Record<string, Static<S>>>> {
  return Type.Unsafe({ type: 'object', additionalProperties: values, ...words });
}

/** Several ways to write one thing. The first that fits counts. */
export function either<const S extends readonly TSchema[]>(
  ways: S,
  words: KeyWords,
): TUnsafe<Static<S[number]>> {
  return Type.Unsafe({ anyOf: ways, ...words });
}

type Properties = Readonly<Record<string, TSchema>>;

type SectionValue<P extends Properties, R extends keyof P> = {
  readonly [K in Exclude<keyof P, R>]?: Static<P[K]>;
} & { readonly [K in R]: Static<P[K]> };

/** A map with keys of ours, optional but for those named in `required`. */
export function section<P extends Properties, const R extends keyof P & string = never>(
  properties: P,
  words: KeyWords & { readonly required?: readonly R[] },
): TUnsafe<SectionValue<P, R>> {
  return Type.Unsafe({ type: 'object', properties, additionalProperties: false, ...words });
}
