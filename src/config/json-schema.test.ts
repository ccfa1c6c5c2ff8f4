import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonSchemaText } from './json-schema.ts';
import { configurationSchema } from './schema/configuration.ts';

type Json = Record<string, unknown>;

const whole = JSON.parse(jsonSchemaText(configurationSchema)) as Json;
const { $defs, $schema: _dialect, patternProperties: _anchors, ...keys } = whole;
const definitions = $defs as Json;

/** As editors read it: what a reference leads to stands in its place. */
function expanded(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(expanded);
  if (typeof value !== 'object' || value === null) return value;
  const { $ref } = value as { readonly $ref?: string };
  if ($ref === undefined) {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, expanded(one)]));
  }
  const name = $ref.replace('#/$defs/', '');
  assert.ok(Object.hasOwn(definitions, name), `${$ref} leads somewhere`);
  return expanded(definitions[name]);
}

test('the JSON Schema says of every key what the schema says, by reference or not', () => {
  const ours = (key: string, value: unknown) => (key.startsWith('x-') ? undefined : value);
  const asText = JSON.stringify(configurationSchema, ours);
  assert.deepEqual(expanded(keys), JSON.parse(asText));
});

test('what many keys have in common stands in the JSON Schema once', () => {
  const text = jsonSchemaText(configurationSchema);
  const title = 'A regular expression for the path, without query.';
  // In `match`, and in `not`.
  assert.equal(text.split(title).length - 1, 2);
});
