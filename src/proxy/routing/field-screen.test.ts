import assert from 'node:assert/strict';
import test from 'node:test';
import { FieldSection } from '../../http/field-section.ts';
import { screenFields, type UnderscorePolicy } from './field-screen.ts';

function screened(names: string[], policy: UnderscorePolicy, edited: string[] = []): string[] {
  const fields = FieldSection.of(...names.map((name) => [name, '1'] as const));
  const error = screenFields(fields, policy, edited);
  return error === null ? fields.names : [error.code];
}

const names = [
  'api_key',
  'x_forwarded_for',
  'accept',
  'x-forwarded_for',
  'x_user',
  'x_forwarded_for',
];

test('names with an underscore pass, but not those that read like a field of ours', () => {
  assert.deepEqual(screened(names, 'pass'), ['api_key', 'accept', 'x_user']);
  assert.deepEqual(screened(names, 'pass', ['x-user']), ['api_key', 'accept']);
  assert.deepEqual(screened(['content_length', 'transfer_encoding', 'client_cert'], 'pass'), []);
});

test('all of them can be dropped, or be a reason to refuse', () => {
  assert.deepEqual(screened(names, 'drop'), ['accept']);
  assert.deepEqual(screened(names, 'refuse'), ['underscore-in-field']);
  assert.deepEqual(screened(['accept'], 'refuse'), ['accept']);
});
