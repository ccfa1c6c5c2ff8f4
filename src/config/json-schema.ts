/** The schema of the configuration file as editors read it. */
import type { ValueSchema } from './document/keywords.ts';

const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

/** Characters of a part from which on it stands once, in `$defs`, and is referred to. */
const SHARED_CHARACTERS_MIN = 1_000;

/** A part as it is in the file. */
type Part = ValueSchema | { readonly $ref: string };

/** JSON text, without the keywords that are ours alone. What many keys share stands in it once. */
export function jsonSchemaText(schema: ValueSchema): string {
  const parts = new SharedParts(withoutOurs(schema));
  // A place for anchors.
  const anchors = { patternProperties: { '^x-': {} } };
  const whole = { $schema: DIALECT, ...parts.whole, ...anchors, $defs: parts.definitions };
  return `${JSON.stringify(whole, null, 2)}\n`;
}

function withoutOurs(schema: ValueSchema): ValueSchema {
  const shown = Object.entries(schema).filter(([key]) => !key.startsWith('x-'));
  return withParts(Object.fromEntries(shown), '', withoutOurs);
}

class SharedParts {
  readonly whole: Part;
  readonly definitions: Record<string, Part> = {};
  /** How often a part with this text is there; what is within one counts once. */
  readonly #counts = new Map<string, number>();
  readonly #references = new Map<string, Part>();

  constructor(schema: ValueSchema) {
    this.#count(schema);
    this.whole = withParts(schema, '', (part, path) => this.#write(part, path));
  }

  #count(schema: ValueSchema): ValueSchema {
    const text = JSON.stringify(schema);
    const count = (this.#counts.get(text) ?? 0) + 1;
    this.#counts.set(text, count);
    if (count === 1) withParts(schema, '', (part) => this.#count(part));
    return schema;
  }

  #write(schema: ValueSchema, path: string): Part {
    const text = JSON.stringify(schema);
    const known = this.#references.get(text);
    if (known !== undefined) return known;
    const written = withParts(schema, path, (part, below) => this.#write(part, below));
    if (text.length < SHARED_CHARACTERS_MIN || this.#counts.get(text) === 1) return written;
    const name = this.#freeName(path);
    this.definitions[name] = written;
    const reference = { $ref: `#/$defs/${name}` };
    this.#references.set(text, reference);
    return reference;
  }

  /** The key that has it first. The values of a map and of a list have that of the whole. */
  #freeName(path: string): string {
    for (let i = 1; ; i++) {
      const name = i === 1 ? path : `${path}-${i}`;
      if (!Object.hasOwn(this.definitions, name)) return name;
    }
  }
}

/** A schema with others in place of those that it is made of. `path`: keys, with dots between them. */
function withParts(
  schema: ValueSchema,
  path: string,
  write: (part: ValueSchema, path: string) => Part,
): ValueSchema {
  const { properties, patternProperties, additionalProperties: others, items, anyOf } = schema;
  const below = (parts: Readonly<Record<string, ValueSchema>>, written: (key: string) => string) =>
    Object.fromEntries(
      Object.entries(parts).map(([key, part]) => [key, write(part, written(key))] as const),
    );
  const keyPath = (key: string) => (path === '' ? key : `${path}.${key}`);
  return {
    ...schema,
    ...(properties && { properties: below(properties, keyPath) }),
    ...(patternProperties && { patternProperties: below(patternProperties, () => path) }),
    ...(typeof others === 'object' && { additionalProperties: write(others, path) }),
    ...(items && { items: write(items, path) }),
    ...(anyOf && { anyOf: anyOf.map((part) => write(part, path)) }),
  } as ValueSchema;
}
