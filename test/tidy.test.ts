import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { circles, crowdedFolders, deadExports, doubleNames } from './tidy/house-rules.ts';
import { brokenLinks, deadFiles, isTest, rules } from './tidy/rules.ts';
import { FILE_LINES_REPORTED, unusedExceptions } from './tidy/shape-rules.ts';
import { type SourceFile, sourceFile } from './tidy/source-file.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const entryPoints = [
  ...['bin/sluice.js', 'src/library/index.ts', 'src/plugin/index.ts'],
  // A thread's, whose name is made from the module beside it.
  'src/plugin/trial-thread.ts',
];

/** Paths that are finished and tested before what uses them; each leaves this list when it is. */
const awaitingUse: Record<string, string> = {
  'src/quic/qlog.ts': 'a way to ask for the qlog of a connection',
};

const allPaths = readdirSync(root)
  .filter((name) => !['node_modules', 'dist', '.git'].includes(name))
  .flatMap((name) => [name, ...pathsBelow(name)]);

function pathsBelow(name: string): string[] {
  const directory = join(root, name);
  if (!statSync(directory).isDirectory()) return [];
  const below = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return below.map((path) => `${name}/${path}`);
}

function paths(pattern: RegExp): string[] {
  return allPaths.filter((path) => pattern.test(path));
}

const files: SourceFile[] = paths(/^(?:src|test|bench|dev|tools|bin)\/.*\.(?:ts|js|mjs)$/).map(
  (path) => sourceFile(path, readFileSync(join(root, path), 'utf8')),
);
const documents = paths(/\.md$/);

function assertNone(complaints: readonly string[]): void {
  assert.equal(complaints.length, 0, `\n${complaints.join('\n')}\n`);
}

for (const [name, rule] of Object.entries(rules)) {
  test(`every file keeps the rule: ${name}`, () => assertNone(files.flatMap(rule)));
}

test('every file of src/ is reached from the program', () => {
  const dead = deadFiles(files, entryPoints);
  const isAwaited = (complaint: string, path: string) => complaint.startsWith(path);
  const awaited = Object.keys(awaitingUse);
  assertNone(dead.filter((one) => !awaited.some((path) => isAwaited(one, path))));
  for (const path of awaited) {
    assert.ok(
      dead.some((one) => isAwaited(one, path)),
      `${path} is in use: take it from the list of those that wait`,
    );
  }
});

test('no file of src/ leads back to itself', () => assertNone(circles(files)));

test('every export of src/ is needed by somebody', () => {
  const isAwaited = (complaint: string) =>
    Object.keys(awaitingUse).some((path) => complaint.startsWith(path));
  assertNone(deadExports(files).filter((complaint) => !isAwaited(complaint)));
});

test('no two things of src/ are exported under one name', () => assertNone(doubleNames(files)));

test('every exception from the rules for parameters and casts is needed', () => {
  assertNone(unusedExceptions(files));
});

test('no folder of src/ holds more than a reader takes in', () => {
  assertNone(crowdedFolders(files));
});

test('every link in the documents leads somewhere', () => {
  const complaints = documents.flatMap((path) =>
    brokenLinks(path, readFileSync(join(root, path), 'utf8'), (target) =>
      existsSync(join(root, target)),
    ),
  );
  assertNone(complaints);
});

test('no conflict of a merge is left in a document', () => {
  const mark = /^(?:<{7}|>{7}) /m;
  assertNone(documents.filter((path) => mark.test(readFileSync(join(root, path), 'utf8'))));
});

test('documents name no path of one machine', () => {
  assertNone(
    documents.flatMap((path) =>
      rules.hostPaths(sourceFile(path, readFileSync(join(root, path), 'utf8'))),
    ),
  );
});

test('files grow to about 500 lines and are then divided', (t) => {
  for (const file of files) {
    const lines = file.text.split('\n').length - 1;
    if (lines > FILE_LINES_REPORTED) t.diagnostic(`${file.path} has ${lines} lines`);
  }
  // The limits are the rules fileSize and reasonForLength; here we only make the approach visible.
  assert.ok(files.filter((file) => !isTest(file.path)).length > 0);
});

test('functions stay under 70 lines (the check command refuses longer ones)', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tidy-'));
  try {
    const long = join(directory, 'long.ts');
    const body = '  console.log();\n';
    writeFileSync(long, `export function long(): void {\n${body.repeat(71)}}\n`);
    writeFileSync(join(directory, 'biome.json'), readFileSync(join(root, 'biome.json')));
    const biome = join(root, 'node_modules/.bin/biome');
    const check = () =>
      spawnSync(biome, ['lint', '--vcs-enabled=false', 'long.ts'], {
        cwd: directory,
        encoding: 'utf8',
      });
    assert.match(check().stderr, /noExcessiveLinesPerFunction/);
    writeFileSync(long, `export function long(): void {\n${body.repeat(69)}}\n`);
    assert.doesNotMatch(check().stderr, /noExcessiveLinesPerFunction/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

/** For each rule: what it must refuse, and its nearest neighbour that it must let pass. */
const samples: Record<keyof typeof rules, { bad: Sample[]; good: Sample[] }> = {
  layers: {
    bad: [
      ['src/base/a.ts', "import { x } from '../http/x.ts';"],
      ['src/http1/a.ts', "import type { X } from '../tls/x.ts';"],
      ['src/cache/a.ts', "export * from '../proxy/x.ts';"],
      ['src/proxy/a.ts', "const x = await import('../config/x.ts');"],
      ['src/unheard-of/a.ts', ''],
    ],
    good: [
      ['src/proxy/a.ts', "import { x } from '../cache/x.ts';\nimport y from './upstream/y.ts';"],
      ['src/base/a.test.ts', "import { x } from '../proxy/x.ts';"],
      ['src/base/a.ts', "// import { x } from '../http/x.ts';"],
    ],
  },
  ffiImporter: {
    bad: [['src/tls/a.ts', "import ffi from 'node:ffi';"]],
    good: [['src/native/load.ts', "import ffi from 'node:ffi';"]],
  },
  rawPointers: {
    bad: [
      ['src/tls/a.ts', 'f(addressOf(buffer));'],
      ['src/tls/a.ts', 'let pointer: bigint;'],
      ['src/reactor/a.ts', 'const nothing = 0n;'],
      ['src/reactor/a.ts', "import { bind } from '../native/load.ts';"],
    ],
    good: [
      ['src/native/a.ts', 'f(addressOf(buffer), 0n);'],
      ['src/tls/a.ts', '/* addressOf is not for us */ const x = 10;'],
    ],
  },
  purity: {
    bad: [
      ['src/http/a.ts', 'const now = Date.now();'],
      ['src/http1/a.ts', 'const now = new Date();'],
      ['src/cache/a.ts', 'if (Math.random() < 0.5) f();'],
      ['src/http2/a.ts', "import { createHash } from 'node:crypto';"],
      ['src/cache/a.ts', 'setTimeout(f, 1);'],
    ],
    good: [
      ['src/http/a.ts', 'const then = new Date(nowMs); // not Date.now()'],
      ['src/proxy/a.ts', 'const now = Date.now();'],
    ],
  },
  tlsWithoutDescriptors: {
    bad: [
      ['src/tls/a.ts', 'f(fd);'],
      ['src/tls/a.ts', 'const x: StreamSocket = y;'],
      ['src/tls/a.ts', 'openssl.SSL_set_fd(ssl, 3);'],
    ],
    good: [['src/tls/a.ts', '// no socket here\nconst selfdom = 1;']],
  },
  reactorWithoutProtocols: {
    bad: [
      ['src/reactor/a.ts', 'class HttpSocket {}'],
      ['src/reactor/a.ts', 'const tlsState = 1;'],
    ],
    good: [['src/reactor/a.ts', '// TLS is above us\nclass StreamSocket {}']],
  },
  noPromises: {
    bad: [
      ['src/reactor/a.ts', 'async function f() {}'],
      ['src/tls/a.ts', 'return new Promise(f);'],
    ],
    good: [['src/cache/a.ts', 'async function f() {}']],
  },
  fileSize: {
    bad: [['src/http/a.ts', 'x;\n'.repeat(801)]],
    good: [['src/http/a.ts', 'x;\n'.repeat(800)]],
  },
  lineLength: {
    bad: [['src/http/a.ts', `const a = 1; // ${'long '.repeat(20)}`]],
    good: [['src/http/a.ts', `const a =\n  '${'long '.repeat(30)}';`]],
  },
  leftovers: {
    bad: [
      ['src/http/a.ts', `// TO${'DO'}: later`],
      ['src/http/a.ts', `/* FIX${'ME'} */`],
      ['test/a.test.ts', 'test.only(f);'],
      ['test/a.test.ts', "test('x', { skip: true }, f);"],
    ],
    good: [['test/a.test.ts', "test('x', { skip: why }, f); const todos = 1;"]],
  },
  erasableSyntax: {
    bad: [
      ['src/http/a.ts', 'export enum A { B }'],
      ['src/http/a.ts', 'namespace A {}'],
    ],
    good: [['src/http/a.ts', "const s = 'enum A'; // namespace A"]],
  },
  bannedCalls: {
    bad: [
      ['src/http/a.ts', 'const n = parseInt(text, 10);'],
      ['src/proxy/a.ts', "console.log('x');"],
      ['src/proxy/a.ts', 'process.exit(1);'],
      ['src/proxy/a.ts', 'const f = new Function(text);'],
    ],
    good: [
      ['src/supervisor/a.ts', "console.log('x');"],
      ['src/http/a.ts', 'const n = Number(text); // not parseInt('],
    ],
  },
  ownedPromises: {
    bad: [
      ['src/cache/a.ts', 'void this.#index.put(x);'],
      ['src/cli/a.ts', "socket.on('data', () => void answer());"],
      ['src/cli/a.ts', 'setTimeout(async () => {}, 1);'],
      ['src/cli/a.ts', "process.on('exit', async () => {});"],
      ['src/cli/a.ts', 'list.forEach(async (one) => {});'],
      ['src/supervisor/a.ts', 'setInterval(look, 1000);'],
      ['src/cluster/a.ts', 'const timer = setTimeout(() => look(), 1000);'],
    ],
    good: [
      ['src/cache/a.ts', 'function f(): void {}\nconst g = (): void => {};\ntype F = () => void;'],
      ['src/cli/a.ts', 'owned(answer(), onFault);\nconst x = await all.map(async (one) => one);'],
      ['src/cli/a.ts', 'setInterval(look, 1000);'],
      ['src/supervisor/a.ts', 'const timer = after(1000, look, onFault);'],
      ['src/supervisor/dashboard/page/a.ts', 'setTimeout(look, 1000);'],
    ],
  },
  harmlessOutput: {
    bad: [
      ['src/cli/a.ts', 'process.stdout.write(text);'],
      ['src/cli/a.ts', 'console.log(text);'],
      ['src/cli/b/a.ts', 'process.stderr.write(text);'],
    ],
    good: [
      ['src/cli/terminal.ts', 'process.stdout.write(harmlessText(text));'],
      ['src/cli/a.ts', 'print(text); const { columns } = process.stdout;'],
    ],
  },
  carefulFiles: {
    bad: [
      ['src/supervisor/a.ts', "import { rmSync } from 'node:fs';"],
      ['src/supervisor/a.ts', "import {\n  closeSync,\n  unlink,\n} from 'node:fs/promises';"],
      ['src/config/a.ts', "import * as fs from 'node:fs';"],
      ['src/config/a.ts', "import fs from 'node:fs';"],
      ['src/worker/descriptors.ts', ''],
    ],
    good: [
      ['src/supervisor/a.ts', "import { closeSync, fstatSync, type Stats } from 'node:fs';"],
      ['src/worker/descriptors.ts', "import { readFileSync } from 'node:fs';"],
      ['src/cli/a.ts', "import { rmSync } from 'node:fs';"],
    ],
  },
  needsOpenssl: {
    bad: [['test/a.test.ts', "import { Authority } from './support/authority.ts';"]],
    good: [
      ['test/a.test.ts', "// Needs openssl: why\nimport { A } from './support/authority.ts';"],
      ['test/support/a.ts', "import { Authority } from './authority.ts';"],
    ],
  },
  fileNames: {
    bad: [
      ['src/http/fieldNames.ts', ''],
      ['src/http/string-utils.ts', ''],
    ],
    good: [['src/http/field-names.test.ts', '']],
  },
  castsByUnknown: {
    bad: [
      ['src/http/a.test.ts', 'const a = {} as unknown as Options;'],
      ['test/a.ts', 'f({} as unknown\n  as Options);'],
    ],
    good: [
      ['src/http/a.test.ts', 'const a = b as Options; // as unknown as Options'],
      ['src/base/bytes.ts', 'const a = Buffer.prototype as unknown as ByteText;'],
    ],
  },
  longParameterLists: {
    bad: [
      ['src/http/a.ts', 'export function f(a: 1, b: 2, c: 3, d: 4, e: 5): void {}'],
      ['src/http/a.ts', 'class A {\n  constructor(a: 1, b: 2, c: 3, d: 4, e = 5) {}\n}'],
      [
        'src/http/a.ts',
        'class A {\n  #f(\n    a: 1,\n    b: 2,\n    c: 3,\n    d: 4,\n    e: 5,\n  ) {}\n}',
      ],
      ['src/http/a.ts', 'const f = (a: 1, b: 2, c: 3, d: 4, e: 5) => a;'],
      ['src/http/a.ts', 'interface A {\n  f(a: 1, b: 2, c: 3, d: 4, e: 5): void;\n}'],
    ],
    good: [
      [
        'src/http/a.ts',
        'function f(a: 1, b: Map<1, 2>, c: { d: 3; e: 4 }, f: (g: 5, h: 6) => 7) {}',
      ],
      ['src/http/a.ts', 'class A {\n  constructor({ a, b, c, d, e }: Input) {}\n}'],
      ['src/http/a.ts', 'class A {\n  f() {\n    g(1, 2, 3, 4, 5);\n  }\n}'],
      ['src/http/a.test.ts', 'function f(a: 1, b: 2, c: 3, d: 4, e: 5) {}'],
      ['src/http/dates.ts', 'function timeOf(a: 1, b: 2, c: 3, d: 4, e: 5) {}'],
    ],
  },
  reasonForLength: {
    bad: [
      ['src/http/a.ts', `/** What it is. */\n${'x;\n'.repeat(500)}`],
      ['src/http/a.ts', `${'x;\n'.repeat(501)}/** Long because of this. */\n`],
    ],
    good: [
      ['src/http/a.ts', 'x;\n'.repeat(500)],
      [
        'src/http/a.ts',
        `/**\n * What it is. Long\n * because of this.\n */\n${'x;\n'.repeat(501)}`,
      ],
      ['test/a.ts', 'x;\n'.repeat(501)],
    ],
  },
  hostPaths: {
    bad: [['src/http/a.ts', `const p = '/ho${'me'}/someone/x';`]],
    good: [['src/http/a.ts', "const p = '/var/cache/x'; // https://example.org/home/x"]],
  },
};

type Sample = readonly [path: string, text: string];

for (const [name, { bad, good }] of Object.entries(samples)) {
  const rule = rules[name as keyof typeof rules];
  test(`the rule ${name} refuses what it should, and only that`, () => {
    for (const [path, text] of bad) {
      assert.notEqual(rule(sourceFile(path, text)).length, 0, `${name} let pass: ${text}`);
    }
    for (const [path, text] of good) assertNone(rule(sourceFile(path, text)));
  });
}

test('dead files are found, and what is started by URL is not one', () => {
  const program = [
    sourceFile('bin/sluice.js', "import('../src/cli/main.ts');"),
    sourceFile('src/cli/main.ts', "new Worker(new URL('../worker/main.ts', import.meta.url));"),
    sourceFile('src/worker/main.ts', ''),
    sourceFile('src/worker/forgotten.ts', ''),
    sourceFile('src/worker/forgotten.test.ts', "import './forgotten.ts';"),
  ];
  assert.deepEqual(deadFiles(program, ['bin/sluice.js']), [
    'src/worker/forgotten.ts: nothing that runs imports it',
  ]);
});

test('circles are found, of types as well, and a file that many need is none', () => {
  const circle = [
    sourceFile('src/http1/a.ts', "import { b } from './b.ts';"),
    sourceFile('src/http1/b.ts', "export { c } from './deep/c.ts';"),
    sourceFile('src/http1/deep/c.ts', "import type { A } from '../a.ts';"),
  ];
  assert.deepEqual(circles(circle), [
    'a circle of files: src/http1/a.ts → src/http1/b.ts → src/http1/deep/c.ts → src/http1/a.ts',
  ]);
  const loaded = [
    sourceFile('src/cli/a.ts', "const b = await import('./b.ts');"),
    sourceFile('src/cli/b.ts', "import './a.ts';"),
  ];
  assert.equal(circles(loaded).length, 1);
  assert.deepEqual(
    circles([
      sourceFile('src/http1/a.ts', "import './b.ts';\nimport './c.ts';"),
      sourceFile('src/http1/b.ts', "import './c.ts';"),
      sourceFile('src/http1/c.ts', "// import './a.ts';"),
      sourceFile('src/http1/a.test.ts', "import './a.ts';"),
    ]),
    [],
  );
});

test('dead exports are found, and what others, limits and types need is none', () => {
  const of = (text: string, ...others: [path: string, text: string][]) =>
    deadExports([
      sourceFile('src/http/a.ts', text),
      ...others.map(([path, more]) => sourceFile(path, more)),
    ]).map((complaint) => complaint.replace(/^.*?: /, ''));
  const user = (path: string): [string, string] => [path, "import { f } from '../http/a.ts';"];
  assert.deepEqual(of('export function f() {}'), ['f: nobody needs it']);
  assert.deepEqual(of('export async function f() {}\nf();'), [
    'f: nobody else needs it: no export',
  ]);
  assert.deepEqual(of('export interface F {}'), ['F: nobody needs it']);
  assert.deepEqual(of('export const f = 1;', user('src/http/a.test.ts')), [
    'f: only tests need it',
  ]);
  assert.deepEqual(of('export const f = 1;', user('src/tls/b.ts')), []);
  assert.deepEqual(of('export const f = 1;', user('tools/b.ts')), ['f: nobody needs it']);
  assert.deepEqual(
    of('export const f = 1;', ['tools/b.ts', "import { f } from '../src/http/a.ts';"]),
    [],
  );
  assert.deepEqual(of('/** For tests. */\nexport const f = 1;', user('src/http/a.test.ts')), []);
  assert.deepEqual(of('export const f = 1;\ng(f);', user('src/http/a.test.ts')), []);
  assert.deepEqual(of('export interface F {}\nexport const F_MAX = 1;\nconst g: F = F_MAX;'), []);
  const loaded: [string, string] = ['src/cli/b.ts', "const { f } = await import('../http/a.ts');"];
  assert.deepEqual(of('export const f = 1;', loaded), []);
  const whole: [string, string] = ['src/cli/b.ts', "import * as a from '../http/a.ts';\na.f();"];
  assert.deepEqual(of('export const f = 1;\nexport const g = 1;', whole), ['g: nobody needs it']);
});

test('a name that two files export is found, and overloads and tests are none', () => {
  const both = [
    sourceFile('src/http/a.ts', 'export function f(a: 1): void;\nexport function f(): void {}'),
    sourceFile('src/http/b.test.ts', 'export const f = 1;'),
    sourceFile('src/http/c.ts', 'const f = 1;\n// export const f'),
  ];
  assert.deepEqual(doubleNames(both), []);
  assert.deepEqual(doubleNames([...both, sourceFile('src/tls/d.ts', 'export interface f {}')]), [
    'f is exported by src/http/a.ts and src/tls/d.ts',
  ]);
});

test('a folder with too many files or lines is found, and rooms in it are counted apart', () => {
  const many = (count: number, folder: string, lines = 1) =>
    Array.from({ length: count }, (_, i) => sourceFile(`${folder}/f${i}.ts`, 'x;\n'.repeat(lines)));
  assert.deepEqual(crowdedFolders([...many(30, 'src/tls'), ...many(30, 'src/tls/room')]), []);
  assert.equal(crowdedFolders(many(31, 'src/tls')).length, 1);
  assert.deepEqual(crowdedFolders(many(10, 'src/tls', 500)), []);
  assert.equal(crowdedFolders(many(11, 'src/tls', 500)).length, 1);
});

test('dead links are found, and code is not taken for a link', () => {
  const text =
    '[a](there.md) [b](gone.md#x) `[c](no.md)` [d](https://example.org)\n```\n[e](x)\n```\n';
  assert.deepEqual(
    brokenLinks('docs/a.md', text, (path) => path === 'docs/there.md'),
    ['docs/a.md: dead link gone.md'],
  );
});

test('strings, templates, regular expressions and comments are told from code', () => {
  const code = (text: string) => sourceFile('a.ts', text).code;
  assert.equal(code("f('a b'); // c"), "f('   ');     ");
  assert.equal(code('`a${b + `c${d}`}e` + g'), '` ${b + ` ${d}`} ` + g');
  assert.equal(code('x = /[/"]/; y'), 'x = /    /; y');
  assert.equal(code('a / b / c'), 'a / b / c');
  assert.equal(code("const t = { a: `${'}'}` }; enum"), "const t = { a: `${' '}` }; enum");
});
