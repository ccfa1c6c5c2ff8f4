import assert from 'node:assert/strict';
import test from 'node:test';
import { Check } from 'typebox/value';
import { isNode, parseDocument } from 'yaml';
import { flowText, type ValueSchema } from '../../src/config/document/keywords.ts';
import { readBySchema } from '../../src/config/document/reader.ts';
import { parseSource } from '../../src/config/document/source.ts';
import { allKeys, findKey, isWrittenInWords, type KeyInfo } from '../../src/config/keys.ts';
import { configurationSchema } from '../../src/config/schema/configuration.ts';

const keys = allKeys({ path: '', schema: configurationSchema });

function read(schema: ValueSchema, text: string) {
  const parsed = parseSource({ file: 'x.yaml', text, directory: '/' });
  return readBySchema(parsed, schema);
}

test('there are keys, and each is found by its path', () => {
  assert.ok(keys.length > 150, `${keys.length} keys`);
  for (const { path } of keys) {
    const found = findKey(configurationSchema, path.replaceAll('*', 'name'));
    assert.equal(found.kind, 'found', path);
  }
});

for (const { path, schema } of keys) {
  test(`${path} has a title, and examples that are right`, () => {
    assert.match(schema.title ?? '', /\S.*[.:]$/, 'a sentence');
    assert.ok(schema.examples !== undefined && schema.examples.length > 0, 'an example');
    for (const example of schema.examples) {
      const { diagnostics } = read(schema, flowText(example));
      assert.deepEqual(diagnostics, [], flowText(example));
      assert.ok(Check(schema as object, example), `the schema refuses ${flowText(example)}`);
    }
  });
}

test('defaults that are written as values are right values', () => {
  let compared = 0;
  for (const { path, schema } of keys) {
    if (schema.default === undefined || isWrittenInWords(schema)) continue;
    const { diagnostics } = read(schema, flowText(schema.default));
    assert.deepEqual(diagnostics, [], path);
    compared++;
  }
  assert.ok(compared > 60, `${compared} defaults`);
});

test('keys are in kebab-case', () => {
  for (const { path } of keys) {
    for (const part of path.replace(/\[\]/g, '').split('.')) {
      assert.match(part, /^(?:[a-z][a-z0-9]*(?:-[a-z0-9]+)*|\*|danger-\*|plugin-\*)$/, path);
    }
  }
});

test('an example as text is the same value again', () => {
  const same = (key: KeyInfo) => {
    for (const example of key.schema.examples ?? []) {
      const document = parseDocument(flowText(example));
      assert.ok(isNode(document.contents));
      assert.deepEqual(String(document.toJS()), String(example), key.path);
    }
  };
  keys.forEach(same);
});
