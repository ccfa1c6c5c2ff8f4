import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { Script } from 'node:vm';
import { moduleText } from './module-text.ts';

/** What a module exports, each of its imports being an object of this name. */
function run(source: string, modules: Record<string, object> = {}): Record<string, unknown> {
  const exports: Record<string, unknown> = {};
  const load = Object.assign((name: string) => modules[name], {
    byDefault: (name: string) => (modules[name] as { default: unknown }).default,
  });
  const later = (name: string) => `later ${name}`;
  new Script(moduleText(source).text).runInThisContext()(exports, load, later, { url: 'here' });
  return exports;
}

test('every form of import that we use gives what was exported', () => {
  const source = `import { a, b as c } from './x.ts';
import {
  b,
} from "./x.ts";
import * as all from './x.ts';
import one from 'y';
import './x.ts';
export const seen = [a, b, c, all.a, one];
export { a as again, b } from './x.ts';
export { c };
`;
  const modules = { './x.ts': { a: 1, b: 2 }, y: { default: 3 } };
  assert.deepEqual(run(source, modules), { seen: [1, 2, 2, 1, 3], again: 1, b: 2, c: 2 });
  assert.deepEqual(moduleText(source).imports, ['./x.ts', 'y']);
});

test('every form of export that we use is seen from outside', () => {
  const exported = run(`
export function f() { return 'f'; }
export async function g() {}
export function* h() {}
export let late;
export class C { static { late = () => 'late'; } }
export const n = 1;
`);
  assert.deepEqual(Object.keys(exported).sort(), ['C', 'f', 'g', 'h', 'late', 'n']);
});

test('default exports, all of a module, and lines without semicolons are taken as well', () => {
  const source = `import one, { a } from './x.ts'
import two, * as all from './x.ts'
import './x.ts'
export * from './x.ts'
const local = 1
export { local }
export default { one, two, a, b: all.b }
`;
  const modules = { './x.ts': { a: 1, b: 2, default: 3 } };
  const expected = { a: 1, b: 2, local: 1, default: { one: 3, two: 3, a: 1, b: 2 } };
  assert.deepEqual(run(source, modules), expected);
  for (const [text, name] of [
    ['export default function named() { return named.name; }\nnamed.x = 1;', 'named'],
    ['export default async function () {}', 'async'],
    ['export default class extends Array {}', 'class'],
    ['class A {}\nexport default class B extends A {}\nnew B();', 'B'],
    ['export default (() => 1)\n;', '()'],
    ['export default /a"b/;', 'a"b'],
  ] as const) {
    assert.ok(String(run(text).default).includes(name), text);
  }
});

test('what only looks like an import or an export is left as it is', () => {
  // With ~ for a backtick and § for a dollar sign.
  const source = String.raw`
const text = 'import x from "y";' + "export";
const template = ~
import { a } from './b.ts';
§{[1].map((one) => { return ~export const z = §{one}~; })}
export const b = 1;
~;
const pattern = /['"~]import\/[/}]/g, half = 4 / 2 / 1;
let i = 4; const third = i++ / 2; const quote = "'";
// import './c.ts';
class A { #import(x) { return x; } call() { return this.#import({ import: 5, export: 6 }.import); } }
export const seen = [text, template, half, third, new A().call(), pattern.source];
`
    .replaceAll('~', '`')
    .replaceAll('§', '$');
  assert.deepEqual(moduleText(source).imports, []);
  const { seen } = run(source) as { seen: unknown[] };
  assert.equal(seen[0], 'import x from "y";export');
  assert.match(
    String(seen[1]),
    /^\nimport \{ a \} from '\.\/b\.ts';\nexport const z = 1\nexport const b = 1;\n$/,
  );
  assert.deepEqual(seen.slice(2), [2, 2, 5, '[\'"`]import\\/[/}]']);
});

test('what is imported later, and where the module is, is asked of us', () => {
  const source = "export const a = import('./x.ts'), b = 0;\nexport const url = import.meta.url;";
  assert.deepEqual(run(source), { a: 'later ./x.ts', url: 'here' });
});

test('lines and columns stay where they are, so that a stack names the place in the source', () => {
  const source = `/** Of
 * three
 * lines. */
import {
  a,
} from './x.ts';
export function f() { /* here */ throw new Error('x'); }
`;
  const script = new Script(moduleText(source).text, { filename: '/some/module.ts' });
  const exports: { f?: () => void } = {};
  script.runInThisContext()(exports, () => ({ a: 1 }));
  const column = source.split('\n')[6]!.indexOf('new Error') + 1;
  assert.throws(
    () => exports.f?.(),
    (error: Error) => error.stack?.includes(`f (/some/module.ts:7:${column})`) === true,
  );
});

test('what it does not know is refused, with its line', () => {
  for (const [source, words] of [
    ["\nexport * as x from './x.ts';", /^line 2: export \* as x from/],
    ['export default 1; import', /^line 1: import/],
    ["import a from './x.json' with { type: 'json' };", /^line 1: import a from/],
    ["if (a) {\n  import 'b';\n}", /^line 2: import 'b'; is not at the top/],
    ['const a = `${1}', /^line 1: .* is never closed/],
  ] as const) {
    assert.throws(() => moduleText(source), { name: 'SyntaxError', message: words }, source);
  }
});

test('of every module of ours it says what V8 says: what it needs, and what it exports', () => {
  const program = `
import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { Script, SourceTextModule, SyntheticModule } from 'node:vm';
import { moduleText } from ${JSON.stringify(new URL('module-text.ts', import.meta.url).href)};
const root = new URL(${JSON.stringify(new URL('..', import.meta.url).href)});
const isOurs = (path) => path.endsWith('.ts') && !/[.]test[.]ts$|^supervisor.dashboard.page/.test(path);
const paths = readdirSync(root, { recursive: true }).filter(isOurs);
for (const path of paths) {
  const source = stripTypeScriptTypes(readFileSync(new URL(path, root), 'utf8'));
  const { text, imports } = moduleText(source);
  new Script(text, { filename: path });
  const module = new SourceTextModule(source, { identifier: path });
  const wanted = new Set(module.moduleRequests.map(({ specifier }) => specifier));
  if (String([...wanted]) !== String(imports)) throw new Error(path + ' needs ' + [...wanted]);
  if (text.split('\\n').length - source.split('\\n').length !== 1) throw new Error(path + ': lines');
  module.linkRequests(module.moduleRequests.map((request) => stub(request.specifier, source)));
  module.instantiate();
  const ours = new Set([...text.matchAll(/^[$]exports[.].*$/gm)].flatMap(([line]) =>
    [...line.matchAll(/[$]exports[.]([$\\w]+)=/g)].map(([, name]) => name)));
  const names = Reflect.ownKeys(module.namespace).filter((key) => typeof key === 'string');
  if (String([...ours].sort()) !== String(names.sort())) throw new Error(path + ' exports ' + names);
}
/** A module that has whatever is asked of it. */
function stub(specifier, source) {
  const words = [...source.matchAll(/[$A-Za-z_][$\\w]*/g)].map(([word]) => word);
  return new SyntheticModule([...new Set(['default', ...words])], () => {}, { identifier: specifier });
}
console.log(paths.length);
`;
  const child = spawnSync(
    process.execPath,
    ['--no-warnings', '--experimental-vm-modules', '--input-type=module', '-e', program],
    { encoding: 'utf8' },
  );
  assert.equal(child.stderr, '');
  assert.ok(Number(child.stdout) > 400);
});
