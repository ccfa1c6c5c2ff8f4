/**
 * Reads the nodes of a file by a schema: every mistake is noted with its place, and what is right is
 * read on beside it. Where a value that must be there is not, an example of the schema stands in, so
 * that what is made of the values can be checked as well; what comes out is then thrown away.
 */

import {
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { UsageError } from '../../base/errors.ts';
import { eitherOf, isNamed, keysNamed, NAMES_SHOWN_MAX } from '../keys.ts';
import type { ExplicitValue, OptionWords } from '../option-values.ts';
import { isSecret } from '../secrets.ts';
import { nearestWord } from '../suggestion.ts';
import { type Diagnostic, type KeyPath, keyText } from './diagnostic.ts';
import { exampleText, type Shape, shapesOf, type ValueSchema } from './keywords.ts';
import { ownKeyFor, ownKeyWithin } from './other-servers.ts';
import { mapKeyText, type ParsedSource } from './source.ts';
import { valueTypes } from './value-types.ts';

/** Deeper is nested by references to itself. */
const DEPTH_MAX = 32;
/** References can repeat a small text without end ("billion laughs"). */
const NODES_MAX = 100_000;

/** To find what was meant takes a millisecond: too long for a file with nothing right in it. */
const REMEDIES_MAX = 100;

/** https://yaml.org/type/merge.html */
const MERGE = '<<';

/** A value that could not be read; a mistake says why. */
const UNREADABLE = Symbol('unreadable');

export interface ReadValues {
  /** What could be read; its parts that could not are left out. */
  readonly value: unknown;
  readonly diagnostics: readonly Diagnostic[];
  /** Values of keys that say the same as a flag, by the flag. */
  readonly given: ReadonlyMap<string, readonly ExplicitValue[]>;
}

export function readBySchema(parsed: ParsedSource, schema: ValueSchema): ReadValues {
  const reader = new SchemaReader(parsed, schema);
  const value = parsed.root === null ? UNREADABLE : reader.read(schema, parsed.root, []);
  return {
    value: value === UNREADABLE ? {} : value,
    diagnostics: [...parsed.diagnostics, ...reader.diagnostics],
    given: reader.given,
  };
}

/** What is written at a path, by a schema that was not known when the rest was read. */
export function readPartBySchema(
  parsed: ParsedSource,
  schema: ValueSchema,
  path: KeyPath,
): ReadValues {
  const reader = new SchemaReader(parsed, schema);
  const node = isMap(parsed.root) ? parsed.root.getIn(path, true) : undefined;
  const value = node === undefined ? UNREADABLE : reader.read(schema, node, path);
  return {
    value: value === UNREADABLE ? {} : value,
    diagnostics: reader.diagnostics,
    given: reader.given,
  };
}

class SchemaReader {
  readonly diagnostics: Diagnostic[] = [];
  readonly given = new Map<string, ExplicitValue[]>();
  readonly #parsed: ParsedSource;
  /** Of the file as a whole. */
  readonly #whole: ValueSchema;
  #nodes = 0;

  constructor(parsed: ParsedSource, whole: ValueSchema) {
    this.#parsed = parsed;
    this.#whole = whole;
  }

  read(schema: ValueSchema, written: unknown, path: KeyPath): unknown {
    const node = this.#parsed.resolve(written);
    if (path.length > DEPTH_MAX || ++this.#nodes > NODES_MAX) {
      if (this.#nodes <= NODES_MAX + 1) {
        this.#refuse(path, 'too much for a configuration', 'write it without references');
      }
      return UNREADABLE;
    }
    if (node === null && isAlias(written)) {
      const text = `*${written.source}`;
      const problem = `${text} without quotes refers to an anchor that is not there`;
      return this.#refuse(path, problem, `put it in quotes: "${text}"`);
    }
    if (node === null || (isScalar(node) && node.value === null)) {
      return this.#refuse(path, 'no value', remedyFor(schema, path));
    }
    if (schema['x-later'] === true && isMap(node)) return {};
    const alternatives = schema.anyOf;
    if (alternatives !== undefined) return this.#readAny(schema, alternatives, node, path);
    const shape = shapeOf(node);
    if (!shapesOf(schema).includes(shape)) {
      return this.#refuse(path, this.#wrongShape(schema, node), remedyFor(schema, path));
    }
    if (isMap(node)) return this.#readMap(schema, node, path);
    if (isSeq(node)) return this.#readList(schema, node, path);
    return this.#readWord(schema, node, path);
  }

  #wrongShape(schema: ValueSchema, node: Node): string {
    const is = { map: 'a map', list: 'a list', word: 'one value' };
    const wanted = shapesOf(schema).map((shape) => is[shape]);
    const shape = shapeOf(node);
    const shown = isSecret([schema]) ? 'a value' : JSON.stringify(textOf(node));
    const what = shape === 'word' ? shown : is[shape];
    return `${what}: not ${wanted.join(' or ')}`;
  }

  #refuse(path: KeyPath, problem: string, remedy: string, ofKey = false): typeof UNREADABLE {
    const position = ofKey ? this.#parsed.positionOfKey(path) : this.#parsed.positionOf(path);
    this.diagnostics.push({ ...position, key: keyText(path), problem, remedy });
    return UNREADABLE;
  }

  // ------------------------------------------------------------------ maps

  #readMap(schema: ValueSchema, map: YAMLMap, path: KeyPath): unknown {
    const value: Record<string, unknown> = {};
    const misspelt = new Set<string>();
    for (const item of this.#pairsOf(map, path)) {
      const key = mapKeyText(item.key);
      // A place for anchors.
      if (path.length === 0 && key.startsWith('x-')) continue;
      const inner = this.#schemaOf(schema, key, path, misspelt);
      if (inner === null) continue;
      const read = this.read(inner, item.value, [...path, key]);
      if (read !== UNREADABLE) define(value, key, read);
    }
    for (const key of schema.required ?? []) {
      if (Object.hasOwn(value, key)) continue;
      const inner = schema.properties![key]!;
      // What is misspelt has been told.
      if (!map.has(key) && !misspelt.has(key))
        this.#refuse(path, `it has no ${key}`, remedyFor(inner, [key]));
      define(value, key, standIn(inner));
    }
    return value;
  }

  /**
   * With those of the maps that `<<` names (YAML's merge key), which the map's own come before; of
   * several the first counts.
   */
  #pairsOf(map: YAMLMap, path: KeyPath): Pair[] {
    const own = map.items.filter(isPair);
    const merges = own.filter(({ key }) => mapKeyText(key) === MERGE);
    if (merges.length === 0) return own;
    const found = new Map<string, Pair>();
    for (const pair of own) {
      if (mapKeyText(pair.key) !== MERGE) found.set(mapKeyText(pair.key), pair);
    }
    for (const { value } of merges) {
      const node = this.#parsed.resolve(value);
      const maps = isSeq(node) ? node.items.map((item) => this.#parsed.resolve(item)) : [node];
      for (const one of maps) {
        if (!isMap(one)) {
          const remedy = 'name a map, as in <<: *defaults, with &defaults where it stands';
          this.#refuse([...path, MERGE], 'no map', remedy, true);
          continue;
        }
        if (++this.#nodes > NODES_MAX) return own;
        for (const pair of one.items.filter(isPair)) {
          const key = mapKeyText(pair.key);
          if (key !== MERGE && !found.has(key)) found.set(key, pair);
        }
      }
    }
    return [...found.values()];
  }

  /** Notes the key that was meant by one that is unknown. */
  #schemaOf(
    schema: ValueSchema,
    key: string,
    path: KeyPath,
    misspelt: Set<string>,
  ): ValueSchema | null {
    const { properties = {}, patternProperties = {}, additionalProperties } = schema;
    if (Object.hasOwn(properties, key)) return properties[key]!;
    for (const [pattern, inner] of Object.entries(patternProperties)) {
      if (new RegExp(pattern, 'u').test(key)) return inner;
    }
    if (typeof additionalProperties === 'object') return additionalProperties;
    const names = Object.keys(properties);
    if (this.diagnostics.length >= REMEDIES_MAX) {
      this.#refuse([...path, key], `unknown key ${JSON.stringify(key)}`, 'remove it', true);
      return null;
    }
    const near = nearestWord(key, names) ?? ownKeyWithin(keyText(path), key, names);
    if (near !== undefined) misspelt.add(near);
    const remedy =
      near === undefined
        ? remedyElsewhere(schema, key, this.#whole)
        : `did you mean ${near}? As in ${near}: ${exampleText(properties[near]!)}`;
    this.#refuse([...path, key], `unknown key ${JSON.stringify(key)}`, remedy, true);
    return null;
  }

  // ------------------------------------------------------------------ lists

  #readList(schema: ValueSchema, list: YAMLSeq, path: KeyPath): unknown {
    const { items = {}, minItems = 0 } = schema;
    if (list.items.length < minItems) {
      return this.#refuse(path, 'an empty list', remedyFor(schema, path));
    }
    const values = list.items.map((item, i) => {
      const value = this.read(items, item, [...path, i]);
      return value === UNREADABLE ? standIn(items) : value;
    });
    // One word of it may be several ranges.
    return items['x-kind'] === 'addresses' ? values.flat() : values;
  }

  // ------------------------------------------------------------------ alternatives

  #readAny(
    schema: ValueSchema,
    alternatives: readonly ValueSchema[],
    node: Node,
    path: KeyPath,
  ): unknown {
    const shape = shapeOf(node);
    const fitting = alternatives.filter((one) => shapesOf(one).includes(shape));
    if (fitting.length === 0) {
      return this.#refuse(path, this.#wrongShape(schema, node), remedyFor(schema, path));
    }
    if (fitting.length === 1) return this.read(fitting[0]!, node, path);
    const before = this.diagnostics.length;
    for (const one of fitting) {
      const value = this.read(one, node, path);
      if (this.diagnostics.length === before) return value;
      if (one !== fitting.at(-1)) this.diagnostics.length = before;
    }
    // What the last of them has to say, with the example of all.
    const last = this.diagnostics.splice(before)[0]!;
    this.diagnostics.push({ ...last, remedy: remedyFor(schema, path) });
    return UNREADABLE;
  }

  // ------------------------------------------------------------------ words

  #readWord(schema: ValueSchema, node: Node, path: KeyPath): unknown {
    const kind = schema['x-kind'];
    if (schema['x-variables'] !== true && VARIABLE.test(textOf(node))) {
      return this.#refuse(path, 'variables are not replaced here', literally(schema, path));
    }
    if (kind !== undefined) return this.#readValueType(schema, kind, node, path);
    const text = textOf(node);
    const shown = isSecret([schema]) ? 'the value' : JSON.stringify(text);
    if (schema.enum !== undefined) {
      const word = schema.enum.find((known) => String(known) === text);
      if (word !== undefined) return word;
      const words = schema.enum.map(String);
      const near = nearestWord(text, words);
      const remedy = near === undefined ? `write ${words.join(', ')}` : `did you mean ${near}?`;
      return this.#refuse(path, `${shown}: no such word`, remedy);
    }
    if (schema.type === 'number' || schema.type === 'integer') {
      return this.#readNumber(schema, node, path);
    }
    if (schema.type === 'boolean') {
      return this.#readValueType(schema, 'switch', node, path);
    }
    const { pattern, minLength = 0 } = schema;
    const isShort = text.length < minLength;
    if (isShort || (pattern !== undefined && !new RegExp(pattern, 'u').test(text))) {
      const problem = isShort ? 'empty' : `not as ${schema.examples?.[0] ?? pattern}`;
      return this.#refuse(path, `${shown}: ${problem}`, remedyFor(schema, path));
    }
    return text;
  }

  #readNumber(schema: ValueSchema, node: Node, path: KeyPath): unknown {
    const text = textOf(node);
    const value = /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    const { minimum = -Infinity, maximum = Infinity, type } = schema;
    const isNumber = type === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value);
    if (isNumber && value >= minimum && value <= maximum) return value;
    const what = type === 'integer' ? 'a whole number' : 'a number';
    const least = minimum === -Infinity ? '' : ` from ${minimum}`;
    const most = maximum === Infinity ? '' : ` to ${maximum}`;
    const problem = `${JSON.stringify(text)}: not ${what}${least}${most}`;
    return this.#refuse(path, problem, remedyFor(schema, path));
  }

  #readValueType(
    schema: ValueSchema,
    kind: keyof typeof valueTypes,
    node: Node,
    path: KeyPath,
  ): unknown {
    const { placeholder, parse } = valueTypes[kind];
    const words: OptionWords = {
      name: nameOf(path),
      placeholder,
      example: exampleText(schema),
    };
    const given = this.givenAt(node, path);
    try {
      const value = parse(words, given);
      const least = schema['x-least'] ?? 0;
      if (kind === 'size' && Number(value) > 0 && Number(value) < least) {
        const problem = `${JSON.stringify(given.text)}: that is ${value} bytes`;
        return this.#refuse(path, problem, `write a unit, as in ${words.name}: ${words.example}`);
      }
      const option = schema['x-option'];
      if (option !== undefined) {
        this.given.set(option, [...(this.given.get(option) ?? []), given]);
      }
      return value;
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      this.diagnostics.push(...error.diagnostics);
      return UNREADABLE;
    }
  }

  givenAt(node: Node, path: KeyPath): ExplicitValue {
    return explicitValue(this.#parsed, path, textOf(node));
  }
}

/** What is written at a path, for functions that read text. */
export function explicitValue(parsed: ParsedSource, path: KeyPath, text: string): ExplicitValue {
  const key = keyText(path);
  const position = { ...parsed.positionOf(path), key };
  const { file, line, column } = position;
  const place = `${file}:${line}:${column}: ${key}`;
  return { text, place, directory: parsed.source.directory, position };
}

/** Of the environment, of a shell, or of ours where there is none. */
const VARIABLE = /\$\{[^{}]*\}|\{\{[^{}]*\}\}/;

function literally(schema: ValueSchema, path: KeyPath): string {
  const example = remedyFor(schema, path);
  return `${example}; for one of the environment, write \${env:NAME}`;
}

function standIn(schema: ValueSchema): unknown {
  const [first] = schema.anyOf ?? [];
  if (first !== undefined) return standIn(first);
  if (schema.type === 'object') {
    const required = schema.required ?? [];
    return Object.fromEntries(required.map((key) => [key, standIn(schema.properties![key]!)]));
  }
  if (schema.type === 'array') {
    const { items, minItems = 0 } = schema;
    return items === undefined || minItems === 0 ? [] : [standIn(items)];
  }
  const example = schema.examples?.[0] ?? schema.enum?.[0] ?? schema.minimum ?? '';
  const kind = schema['x-kind'];
  if (kind === undefined) return example;
  const words = { name: '', placeholder: '', example: '' };
  return valueTypes[kind].parse(words, { text: String(example), place: '', directory: '/' });
}

function shapeOf(node: Node): Shape {
  if (isMap(node)) return 'map';
  return isSeq(node) ? 'list' : 'word';
}

/** The source text keeps what a number or a boolean was written as. */
function textOf(node: Node): string {
  if (!isScalar(node)) return '';
  return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
}

/** A key that is `__proto__` is a key as any other. */
function define(target: Record<string, unknown>, key: string, value: unknown): void {
  const traits = { value, enumerable: true, configurable: true, writable: true };
  Object.defineProperty(target, key, traits);
}

/** Keys that are right one or more levels below are often written too high, others too low. */
function remedyElsewhere(schema: ValueSchema, key: string, whole: ValueSchema): string {
  const below = keysNamed({ path: '', schema }, key);
  const own = ownKeyFor(key);
  if (below.length > 0 && (own === undefined || below.some((one) => isNamed(one, key)))) {
    return `write it as ${eitherOf(below)}`;
  }
  if (own !== undefined) return `that is ${own} here: see sluice config explain ${own}`;
  const anywhere = keysNamed({ path: '', schema: whole }, key);
  if (anywhere.length > 0) return `did you mean ${eitherOf(anywhere)}?`;
  const names = Object.keys(schema.properties ?? {});
  // Those that flags have, too, are many, and have sections beside them.
  const shown =
    names.length <= NAMES_SHOWN_MAX ? names : names.filter((name) => isSection(schema, name));
  return `the keys are ${shown.join(', ')}`;
}

function isSection({ properties = {} }: ValueSchema, name: string): boolean {
  const shapes = shapesOf(properties[name]!);
  return shapes.includes('map') || (shapes.includes('list') && !shapes.includes('word'));
}

function nameOf(path: KeyPath): string {
  const name = path.findLast((part) => typeof part === 'string');
  return name === undefined ? 'it' : String(name);
}

function remedyFor(schema: ValueSchema, path: KeyPath): string {
  const example = exampleText(schema);
  return typeof path.at(-1) === 'number' ? `write ${example}` : `write ${nameOf(path)}: ${example}`;
}
