/** The part of JSON Schema that configuration schemas use, and two keywords of our own. */
import type { ValueTypeName } from './value-types.ts';

export interface ValueSchema {
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly type?: string | readonly string[];
  readonly enum?: readonly (string | number | boolean)[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly minItems?: number;
  readonly items?: ValueSchema;
  readonly properties?: Readonly<Record<string, ValueSchema>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, ValueSchema>>;
  readonly additionalProperties?: boolean | ValueSchema;
  readonly anyOf?: readonly ValueSchema[];
  /** How the text is read. */
  readonly 'x-kind'?: ValueTypeName;
  /** The flag that says the same. */
  readonly 'x-option'?: string;
  /** `${…}` has a meaning in it, or may stand for itself. */
  readonly 'x-variables'?: boolean;
  /** Bytes below which a size is a slip. */
  readonly 'x-least'?: number;
  /** The key that has the same keys: they are described there. */
  readonly 'x-same-as'?: string;
  /** Read by a schema that is not known yet: that of a plugin, for its options. */
  readonly 'x-later'?: boolean;
  /** Not shown in messages: it may hold a password. */
  readonly 'x-secret'?: boolean;
}

/** The node types of YAML that a schema can take. */
export type Shape = 'map' | 'list' | 'word';

export function shapesOf(schema: ValueSchema): readonly Shape[] {
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.flatMap(shapesOf))];
  if (schema.type === 'object') return ['map'];
  return schema.type === 'array' ? ['list'] : ['word'];
}

/** An example as it is written on one line. */
export function exampleText(schema: ValueSchema): string {
  const example = schema.examples?.[0] ?? schema.enum?.[0] ?? exampleWithin(schema);
  return flowText(example);
}

function exampleWithin(schema: ValueSchema): unknown {
  if (schema.anyOf !== undefined) {
    return schema.anyOf.map((one) => one.examples?.[0] ?? exampleWithin(one)).find(isThere);
  }
  if (schema.items !== undefined)
    return [schema.items.examples?.[0] ?? exampleWithin(schema.items)];
  const [first] = Object.entries(schema.properties ?? {});
  return first && { [first[0]]: first[1].examples?.[0] ?? exampleWithin(first[1]) };
}

function isThere(value: unknown): boolean {
  return value !== undefined;
}

/** YAML on one line. */
export function flowText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((one) => flowText(one)).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const pairs = Object.entries(value).map(([key, one]) => `${wordText(key)}: ${flowText(one)}`);
    return `{${pairs.join(', ')}}`;
  }
  return typeof value === 'string' ? wordText(value) : String(value);
}

/** Plain where YAML takes it for the same text, else in quotes. */
function wordText(text: string): string {
  const isPlain = /^[A-Za-z/.][\w/.+*@:$=%-]*$/.test(text) && !/^(?:true|false|null)$/i.test(text);
  // The source text of a number is kept, so it may stand for a text.
  const isNumber = /^\d[\w.:/%-]*$/.test(text);
  return (isPlain || isNumber) && !text.endsWith(':') ? text : JSON.stringify(text);
}
