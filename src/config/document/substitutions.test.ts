// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { configurationSchema } from '../schema/configuration.ts';
import { diagnosticText } from './diagnostic.ts';
import { readBySchema } from './reader.ts';
import { parseSource } from './source.ts';
import { substitute } from './substitutions.ts';

const directory = temporaryDirectory();
writeFileSync(join(directory, 'token'), 's3cret-token\n');
writeFileSync(join(directory, 'long'), 'x'.repeat(70_000));

const environment = { PORT: '8081', KEY: 'routes: []', EMPTY: '', HOST: 'a.example' };

function read(text: string) {
  const parsed = parseSource({ file: 'f', text, directory });
  const { diagnostics, hide } = substitute(parsed, environment);
  const found = readBySchema(parsed, configurationSchema);
  const mistakes = [...diagnostics, ...found.diagnostics].map(diagnosticText).map(hide);
  return { value: found.value as Record<string, unknown>, mistakes };
}

test('values come from the environment and from files, of any type and within a text', () => {
  const { value, mistakes } = read(`
admin: {address: "127.0.0.1:\${env:PORT}"}
routes:
  - name: \${env:KEY}
    match: {hosts: ["\${env:HOST}"], ports: ["\${env:PORT}"]}
    request-headers: {set: {Authorization: "Bearer \${file:token}", X-A: "\${env:NO:-none}\${env:EMPTY:-x}"}}
    respond: {status: 204}
`);
  assert.deepEqual(mistakes, []);
  const [route] = value.routes as Record<string, unknown>[];
  assert.equal(route!.name, 'routes: []', 'a value is never more than a value');
  assert.deepEqual(route!.match, { hosts: ['a.example'], ports: [8081] });
  const set = { Authorization: 'Bearer s3cret-token', 'X-A': 'nonex' };
  assert.deepEqual(route!['request-headers'], { set });
});

test('what is not there is refused at its place, with what to do', () => {
  const cases: readonly [text: string, words: RegExp][] = [
    ['workers: ${env:GONE}', /^f:1:10: the environment has no GONE; .*\$\{env:GONE:-DEFAULT\}/],
    ['workers: ${env:1A}', /no name of a variable/],
    ['admin: ${file:gone}', /gone cannot be read \(ENOENT\); name a file/],
    ['admin: ${file:long}', /longer than 65536 bytes/],
    ['admin: ${file:}', /no file; write it/],
    ['origin: http://${env.NAME}', /variables are not replaced here; .*\$\{env:NAME\}/],
  ];
  for (const [text, words] of cases) assert.match(read(text).mistakes.join('\n'), words, text);
});

test('a message about a value that came from a file does not show it', () => {
  const { mistakes } = read('workers: ${file:token}');
  assert.match(mistakes.join('\n'), /workers/);
  assert.doesNotMatch(mistakes.join('\n'), /s3cret/);
});

test('anchors stand under keys that begin with x-, and maps are merged by <<', () => {
  const { value, mistakes } = read(`
x-common: &common {cache: {enabled: off}, origin: app}
x-more: &more {origin: other, compression: on}
routes:
  - {<<: *common, name: a}
  - {<<: [*common, *more], name: b}
  - {name: c, origin: own, <<: *common}
`);
  assert.deepEqual(mistakes, []);
  const cache = { enabled: false };
  assert.deepEqual(value.routes, [
    { name: 'a', cache, origin: 'app' },
    { name: 'b', cache, origin: 'app', compression: true },
    { name: 'c', origin: 'own', cache },
  ]);
  assert.match(read('routes: [{<<: 5, origin: a}]').mistakes.join(), /routes\[0\]\.<<: no map/);
  const unknown = read('x-a: &a {orgin: b}\nroutes: [{<<: *a}]').mistakes.join();
  assert.match(unknown, /routes\[0\]\.orgin: unknown key/, 'what is merged is read as all else');
});
