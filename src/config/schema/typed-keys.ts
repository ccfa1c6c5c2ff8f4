/**
 * What sections are made of: TypeBox schemas that say both how a value is written (JSON Schema, for
 * editors) and what it is once read (the static type). See README.md beside this file.
 */
import { type Static, type TSchema, type TUnsafe, Type } from 'typebox';
import type { AddressRange } from '../../base/address-range.ts';
import { type ValueOfType, type ValueTypeName, valueTypeOf } from '../document/value-types.ts';

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

/** Of a map: the key that has the same keys, and describes them. */
interface SameWords {
  readonly 'x-same-as'?: string;
}

export interface NumberWords extends KeyWords {
  readonly minimum?: number;
  readonly maximum?: number;
}

export interface TextWords extends KeyWords {
  readonly pattern?: string;
  readonly minLength?: number;
  /** See keywords.ts. */
  readonly 'x-variables'?: boolean;
}

const WORDS = ['string', 'integer', 'boolean'];

/** A value that is read, and seen by editors, as its kind says. */
export function ofType<K extends ValueTypeName>(kind: K, words: Partial<KeyWords>): OfType<K> {
  const { form, isSecret = false } = valueTypeOf(kind);
  const secret = isSecret ? { 'x-secret': true } : {};
  return Type.Unsafe({ type: WORDS, ...form, 'x-kind': kind, ...secret, ...words });
}

type OfType<K extends ValueTypeName> = TUnsafe<ValueOfType<K>>;

/** `on` or `off`; a boolean once read. */
export function onOff(words: KeyWords): OfType<'switch'> {
  return ofType('switch', words);
}

/** Milliseconds once read; up to an hour. */
export function duration(words: KeyWords): OfType<'duration'> {
  return ofType('duration', words);
}

/** Milliseconds once read; also hours and days. */
export function longDuration(words: KeyWords): OfType<'long-duration'> {
  return ofType('long-duration', words);
}

/** Bytes once read. */
export function size(words: KeyWords & { readonly 'x-least'?: number }): OfType<'size'> {
  return ofType('size', words);
}

/** `20%`; 0 to 1 once read. */
export function share(words: KeyWords): OfType<'share'> {
  return ofType('share', words);
}

/** `[HOST:]PORT` or `unix:PATH`. */
export function socketAddress(words: KeyWords): OfType<'socket-address'> {
  return ofType('socket-address', words);
}

/** An http, https or h2c URL. */
export function originUrl(words: KeyWords): OfType<'url'> {
  return ofType('url', words);
}

/** An absolute path once read; relative to the file as written. */
export function file(words: KeyWords): OfType<'path'> {
  return ofType('path', words);
}

/** IP addresses and ranges of them; `localhost` is this machine. */
export function addressRanges(words: KeyWords): TUnsafe<readonly AddressRange[]> {
  const items = ofType('addresses', { title: 'ADDRESS[/BITS]', examples: ['10.0.0.0/8'] });
  return Type.Unsafe({ type: 'array', items, examples: [['10.0.0.0/8']], ...words });
}

/** `-` or an absolute path once read; null for `off`. */
export function logTarget(words: KeyWords): OfType<'log-target'> {
  return ofType('log-target', words);
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
  words: KeyWords & SameWords & { readonly required?: readonly R[] },
): TUnsafe<SectionValue<P, R>> {
  return Type.Unsafe({ type: 'object', properties, additionalProperties: false, ...words });
}
