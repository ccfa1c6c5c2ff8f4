import assert from 'node:assert/strict';
import test from 'node:test';
import { FieldSection } from '../http/field-section.ts';
import { ClaimedNames } from './claimed-names.ts';
import { screenFields, screenTrailers, type UnderscorePolicy } from './field-screen.ts';
import { plainRoute } from './route.ts';
import { compileRules } from './rules.ts';

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
  assert.deepEqual(screened(names, 'refuse'), ['underscore-in-header']);
  assert.deepEqual(screened(['accept'], 'refuse'), ['accept']);
});

const claims = new ClaimedNames(['x-who', 'x-forwarded*']);

test('trailers have no name that the head may not have, in any spelling', () => {
  const names = [
    ...['x-who', 'x_who', 'x-forwarded-user', 'x_forwarded_user', 'x-user', 'x_user', 'x-gone'],
    ...['host', 'content_length', 'x_fine', 'x-fine', 'set_cookie'],
  ];
  const edited = ['x-user', 'x-gone'];
  const trailers = FieldSection.of(...names.map((name) => [name, '1'] as const));
  const left = (policy: UnderscorePolicy) =>
    screenTrailers(trailers, { policy, edited, claims })!.names;
  // The protocol cores have dropped `host` already.
  assert.deepEqual(left('pass'), ['host', 'x_fine', 'x-fine']);
  for (const policy of ['drop', 'refuse'] as const) {
    assert.deepEqual(left(policy), ['host', 'x-fine']);
  }
  assert.equal(screenTrailers(null, { policy: 'pass', edited, claims }), null);
  assert.deepEqual(trailers.names, names, 'the section itself is as it was');
});

test('what a route sets, adds or removes is no trailer of either side', () => {
  const none = { set: {}, add: {}, remove: [], removeCookies: [], setCookies: {} };
  const edits = { ...none, set: { 'X-Set': '1' }, add: { 'X-Add': '1' } };
  const steps = [{ when: null, edits, otherwise: { ...none, remove: ['X-Gone'] } }];
  const options = { ...plainRoute('app'), requestFields: steps, responseFields: steps };
  const rules = compileRules({
    options,
    keySuffix: '',
    limiter: null,
    origin: { authority: 'o', pathPrefix: '' },
    claims,
  });
  const names = ['x-set', 'x-add', 'x-gone', 'x-fine'];
  const trailers = FieldSection.of(...names.map((name) => [name, '1'] as const));
  assert.deepEqual(rules.screenTrailers(trailers)!.names, ['x-fine']);
  assert.deepEqual(rules.editTrailers(trailers)!.names, ['x-fine']);
  const fields = FieldSection.of(['x_gone', '1'], ['x_set', '1'], ['x_fine', '1']);
  assert.equal(rules.screen(fields), null);
  assert.deepEqual(fields.names, ['x_fine']);
});
