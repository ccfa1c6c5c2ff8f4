// Needs openssl: it makes the certificates.
// Invariant: whatever a configuration file holds, loading it gives options or mistakes whose places
// are in the file; nothing else is thrown, and nothing hangs.
import assert from 'node:assert/strict';
import test from 'node:test';
import { UsageError } from '../../src/base/errors.ts';
import { allKeys } from '../../src/config/keys.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { configurationSchema } from '../../src/config/schema/configuration.ts';
import { exampleSite } from '../support/example-site.ts';
import fc from '../support/fast-check.ts';

const scale = Number(process.env.FUZZ_SCALE ?? 1);
const { text: example, directory } = exampleSite();

const names = allKeys({ path: '', schema: configurationSchema }).map(
  ({ path }) => path.replace(/\[\]$/, '').split('.').at(-1)!,
);

async function load(text: string): Promise<readonly string[]> {
  const lines = text.split('\n');
  try {
    await loadConfiguration({
      source: { file: 'sluice.yaml', text, directory },
      flags: new Map(),
      command: 'run',
      isCheck: true,
      nowMs: 0,
      stateDirectory: directory,
      demoOrigin: null,
      warn() {},
    });
    return [];
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    assert.ok(error.message !== '' && error.remedy !== '');
    for (const { line, column, problem, remedy } of error.diagnostics) {
      assert.ok(line >= 1 && line <= lines.length, `line ${line} of ${lines.length}`);
      assert.ok(column >= 1 && column <= lines[line - 1]!.length + 1, `column ${column}`);
      assert.ok(problem !== '' && remedy !== '');
    }
    return error.diagnostics.map(({ problem }) => problem);
  }
}

const snippet = fc.oneof(
  fc.constantFrom(...names),
  fc.constantFrom('[', ']', '{', '}', ':', '-', '&a ', '*a', '|', '>', '"', "'", '#', '\n', '  '),
  fc.constantFrom('on', 'off', '-1', '1e9', '0x1f', 'null', '~', '.inf', '2001-01-01', '!!set'),
  fc.constantFrom('[', 'a', '\u0000', '\ud800', '\u{1f600}', '__proto__', 'constructor', '\t'),
  fc.string({ maxLength: 8 }),
);

/** Where to cut, how much to leave out, and what to put in, in thousandths of the text. */
const cuts = fc.array(fc.record({ at: fc.nat(999), length: fc.nat({ max: 30 }), text: snippet }), {
  minLength: 1,
  maxLength: 4,
});

test('the file that is altered has no mistake', async () => {
  assert.deepEqual(await load(example), []);
});

test('a file that was altered anywhere is read, or its mistakes have places in it', async () => {
  await fc.assert(
    fc.asyncProperty(cuts, async (changes) => {
      let text = example;
      for (const { at, length, text: inserted } of changes) {
        const start = Math.floor((text.length * at) / 1000);
        text = text.slice(0, start) + inserted + text.slice(start + length);
      }
      await load(text);
    }),
    { numRuns: 300 * scale },
  );
});

/** Any structure, with keys that are there and others. */
const structure = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.oneof(fc.constant(null), fc.boolean(), fc.integer(), fc.double(), fc.string()),
    fc.constantFrom('on', '10s', '64MiB', '20%', '10.0.0.0/8', '127.0.0.1:0', 'http://o'),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...names, '__proto__', ''), tie('value'), { maxKeys: 5 }),
  ),
}));

test('any structure of keys and values is read, or its mistakes have places in it', async () => {
  await fc.assert(
    fc.asyncProperty(structure.value, async (value) => {
      await load(JSON.stringify(value, null, 1) ?? '');
    }),
    { numRuns: 500 * scale },
  );
});

test('references that multiply or contain themselves come to an end', async () => {
  const bomb = [
    'a: &a [x, x]',
    ...'bcdefghijklmnopqrstuvwxyz'.split('').map((name, i) => {
      const before = String.fromCharCode('a'.charCodeAt(0) + i);
      return `${name}: &${name} [*${before}, *${before}]`;
    }),
  ];
  assert.ok((await load(`routes: &r [*r]\n`)).length > 0);
  assert.ok((await load(`routes: &r\n  - match: {hosts: *r}\n`)).length > 0);
  assert.ok((await load(`http:\n  - ${bomb.at(-1)}\n${bomb.join('\n')}`)).length > 0);
  const doubled = bomb.map((line) => line.replace(/^(\w): /, '  $1: ')).join('\n');
  assert.ok((await load(`origins:\n${doubled}\n`)).length > 0);
});
