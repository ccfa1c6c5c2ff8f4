/**
 * The project's structural rules, each a function from one file (or all) to complaints. Words that
 * the rules look for are written here only as patterns, so that this file passes them too.
 */
import { posix } from 'node:path';
import { castsByUnknown, longParameterLists, reasonForLength } from './shape-rules.ts';
import { lineAt, type SourceFile } from './source-file.ts';

export type Rule = (file: SourceFile) => string[];

/**
 * Arrows run down only; folders of one level never import each other. A supervisor with one worker
 * is that worker, so it stands above it.
 */
const LEVELS: Record<string, number> = Object.fromEntries(
  [
    ['base', 'loading'],
    ['http', 'native', 'telemetry', 'quic'],
    ['http1', 'http2', 'http3', 'cache', 'tls', 'reactor'],
    ['transport'],
    ['tunnel', 'handler'],
    ['downstream', 'upstream', 'routing', 'triage', 'cluster', 'acme'],
    ['plugin'],
    ['proxy'],
    ['config'],
    ['worker', 'import'],
    ['supervisor'],
    ['cli', 'library'],
  ].flatMap((folders, index) => folders.map((folder) => [folder, index + 1])),
);

/** Protocol cores and cache rules are pure: bytes, time and chance come as arguments. */
const PURE_FOLDERS = ['http', 'http1', 'http2', 'http3', 'quic', 'cache'];

/** Files of pure folders that are stores, not rules: they may read and write. */
const STORE_FILES = /^src\/cache\/disk\//;

const FILE_LINES_MAX = 800;
/** Biome keeps code to 100; what it cannot break, comments and literals, may go a word beyond. */
const COLUMNS_MAX = 110;

const folderOf = (path: string) => /^src\/([^/]+)\//.exec(path)?.[1];
export const isTest = (path: string) => path.startsWith('test/') || path.endsWith('.test.ts');
const isSource = (path: string) => path.startsWith('src/') && !isTest(path);

/** Resolves a relative specifier to a path from the project's root. */
export function resolveImport(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  return posix.join(posix.dirname(from), specifier);
}

/** Complains about every match of a pattern in one of a file's texts. */
function search(file: SourceFile, text: string, pattern: RegExp, why: string): string[] {
  return [...text.matchAll(pattern)].map(
    (match) => `${file.path}:${lineAt(text, match.index)}: ${match[0].trim()}: ${why}`,
  );
}

export const layers: Rule = (file) => {
  const folder = folderOf(file.path);
  if (folder === undefined || isTest(file.path)) return [];
  const level = LEVELS[folder];
  if (level === undefined) return [`${file.path}: src/${folder} is not in the table of layers`];
  return file.imports.flatMap((specifier) => {
    const target = folderOf(resolveImport(file.path, specifier) ?? '');
    if (target === undefined || target === folder) return [];
    if ((LEVELS[target] ?? Number.POSITIVE_INFINITY) < level) return [];
    return [`${file.path}: ${folder} (level ${level}) may not import ${specifier}`];
  });
};

export const ffiImporter: Rule = (file) =>
  file.imports.includes('node:ffi') && file.path !== 'src/native/load.ts'
    ? [`${file.path}: only src/native/load.ts imports node:ffi`]
    : [];

/** There large integers are numbers of a finite field, and no addresses. */
const FINITE_FIELD_FILE = 'src/triage/replay/client/finite-field.ts';

export const rawPointers: Rule = (file) => {
  if (!isSource(file.path) || folderOf(file.path) === 'native') return [];
  if (file.path === FINITE_FIELD_FILE) return [];
  const why = 'addresses stay in src/native/; above it there are handles';
  return [
    ...search(file, file.code, /\b(?:transientA|a)ddressOf\b|\bbigint\b|\b\d+n\b/g, why),
    ...file.imports
      .filter((specifier) => specifier.endsWith('native/load.ts'))
      .map((specifier) => `${file.path}: imports ${specifier}: ${why}`),
  ];
};

export const purity: Rule = (file) => {
  const folder = folderOf(file.path);
  if (!isSource(file.path) || folder === undefined || !PURE_FOLDERS.includes(folder)) return [];
  if (STORE_FILES.test(file.path)) return [];
  const why = 'protocol cores and cache rules are pure: pass it in';
  const impure =
    /\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\bperformance\b|\bprocess\.|\bcrypto\b|\b(?:set|clear)(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b|\bfetch\(/g;
  return [
    ...search(file, file.code, impure, why),
    ...file.imports
      .filter((specifier) => specifier.startsWith('node:'))
      .map((specifier) => `${file.path}: imports ${specifier}: ${why}`),
  ];
};

/** Whether a word occurs in code on its own or as a part of a camelCase or snake_case name. */
function words(file: SourceFile, forbidden: readonly string[], why: string): string[] {
  return [...file.code.matchAll(/[A-Za-z_$][\w$]*/g)].flatMap((match) => {
    const parts = match[0]
      .replace(/([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, '$1$3 $2')
      .toLowerCase()
      .split(/[ _$]+/);
    const found = forbidden.find((word) => parts.includes(word));
    if (found === undefined) return [];
    return [`${file.path}:${lineAt(file.code, match.index)}: ${match[0]}: ${why}`];
  });
}

export const tlsWithoutDescriptors: Rule = (file) =>
  isSource(file.path) && folderOf(file.path) === 'tls'
    ? words(file, ['fd', 'descriptor', 'socket', 'epoll'], 'tls/ is bytes in, bytes out')
    : [];

const PROTOCOL_WORDS = ['http', 'https', 'tls', 'ssl', 'quic', 'request', 'response', 'header'];

export const reactorWithoutProtocols: Rule = (file) =>
  isSource(file.path) && folderOf(file.path) === 'reactor'
    ? words(file, [...PROTOCOL_WORDS, 'handshake', 'method'], 'reactor/ knows no protocol')
    : [];

/** The reactor's callbacks drain no microtasks, and a promise per chunk is too dear. */
export const noPromises: Rule = (file) => {
  const folder = folderOf(file.path) ?? '';
  if (!isSource(file.path) || !/^(?:http|http1|http2|http3|quic|tls|reactor|proxy)$/.test(folder))
    return [];
  // The reactor's own end is awaited once, by the control plane.
  const pattern =
    folder === 'reactor' ? /\basync\b|\bawait\b/g : /\basync\b|\bawait\b|\bPromise\b/g;
  return search(file, file.code, pattern, 'no promises on the data path');
};

export const fileSize: Rule = (file) => {
  const lines = file.text.split('\n').length - 1;
  return lines > FILE_LINES_MAX ? [`${file.path}: ${lines} lines; the limit is 800`] : [];
};

export const lineLength: Rule = (file) =>
  file.text.split('\n').flatMap((line, i) =>
    // A long literal is not made more readable by cutting it.
    line.length > COLUMNS_MAX && !/^\s*(?:[\w$]+[:=]?\s*)?['"`/].*['"`/gyu][,;]*$/.test(line)
      ? [`${file.path}:${i + 1}: ${line.length} columns; the limit is ${COLUMNS_MAX}`]
      : [],
  );

export const leftovers: Rule = (file) =>
  search(file, file.text, /\b(?:TO[D]O|FIX[M]E|X[X]X)\b/g, 'do it, or open an issue').concat(
    search(
      file,
      file.code,
      /\b(?:test|it|describe|suite)\.(?:only|todo|skip)\b|\b(?:only|todo|skip): true\b/g,
      'every test runs; a skip carries its reason: { skip: reason }',
    ),
  );

export const erasableSyntax: Rule = (file) =>
  search(
    file,
    file.code,
    /^\s*(?:export |declare |const )*(?:enum|namespace) \w+/gm,
    'not erasable: use an `as const` object and a union',
  );

/** Calls with a better replacement. */
const BANNED: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  [/(?<!\.)\bparseInt\(/g, 'it accepts trailing garbage: match digits first, then Number()'],
  [/\.substr\(/g, 'use slice'],
  [/\bnew Buffer\(/g, 'use Buffer.from or Buffer.alloc'],
  [/\beval\(|\bnew Function\(/g, 'never'],
  [/\bJSON\.parse\(\s*JSON\.stringify\(/g, 'use structuredClone'],
  [/\.(?:exec|spawn|execFile)Sync\(|\bexecSync\(/g, 'it blocks the event loop'],
  [/\bconsole\.\w+\(/g, 'write to a log sink, or from cli/'],
  [/\bprocess\.exit\(/g, 'set process.exitCode and let go of what keeps the loop alive'],
];

export const bannedCalls: Rule = (file) => {
  if (!isSource(file.path)) return [];
  const atTheTop = ['cli', 'supervisor', 'worker', 'handler'].includes(folderOf(file.path) ?? '');
  return BANNED.filter(([pattern]) => !(atTheTop && /console|exit/.test(pattern.source))).flatMap(
    ([pattern, replacement]) => search(file, file.code, pattern, replacement),
  );
};

/**
 * A promise that nobody waits for has an owner: `owned(promise, onFault)`. Biome's rule
 * noFloatingPromises finds those that are dropped without a word; this one finds what it lets pass.
 */
export const ownedPromises: Rule = (file) => {
  if (!isSource(file.path)) return [];
  const dropped = [
    /\bvoid\s+[A-Za-z_$#([]/g,
    /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask)\(\s*async\b/g,
    /\.(?:on|once|addListener|addEventListener)\(\s*[^,()]*,\s*async\b/g,
    /\.forEach\(\s*async\b/g,
  ];
  const complaints = dropped.flatMap((pattern) =>
    search(file, file.code, pattern, 'nobody would hear of its failure: owned(promise, onFault)'),
  );
  if (!/^src\/(?:supervisor|cluster)\//.test(file.path)) return complaints;
  if (file.path.startsWith('src/supervisor/dashboard/page/')) return complaints;
  const why = "what it throws would be nobody's: after() or repeated() of base/owned.ts";
  return [...complaints, ...search(file, file.code, /\bset(?:Interval|Timeout)\(/g, why)];
};

/** What is run as root, or reads and writes for it before it becomes another. */
const RUN_BY_ROOT =
  /^src\/(?:supervisor|config|worker|native|telemetry|triage\/report)\/|^src\/cli\/running-instance/;

/** Functions of node:fs that take a descriptor, and so no path that anybody could lead elsewhere. */
const BY_DESCRIPTOR =
  /^(?:type |constants$|(?:f(?:stat|truncate|chown|chmod)|close|read|write)(?:Sync)?$)/;

/** Who else uses paths, and why that is safe: what they name is the operator's, /proc's or nobody's. */
const PATHS_BY_NAME: Record<string, readonly [names: string, reason: string]> = {
  'src/config/account.ts': ['readFileSync', 'in /etc'],
  'src/config/certificate.ts': ['readFileSync', 'reads what the operator names'],
  'src/config/compile/logs.ts': ['accessSync existsSync', 'asks only, for sluice check'],
  'src/config/compile/routes.ts': ['readFileSync statSync', 'reads what the operator names'],
  'src/config/document/source.ts': ['readFileSync', 'reads what the operator names'],
  'src/config/handler-module.ts': ['accessSync statSync', 'asks only'],
  'src/config/resolve.ts': ['accessSync existsSync readFileSync', 'reads what the operator names'],
  'src/config/self-signed-store.ts': [
    'linkSync readFileSync renameSync',
    'at a place; a descriptor',
  ],
  'src/config/ticket-key-file.ts': ['readFileSync statSync', 'reads what the operator names'],
  'src/native/boot-clock.ts': ['readFileSync readlinkSync', 'in /proc'],
  'src/supervisor/absent-origins.ts': ['readFile', 'in /proc'],
  'src/supervisor/certificates/certificate-files.ts': ['stat', 'looks at what the operator names'],
  'src/supervisor/certificates/certificate-renewer.ts': [
    'readFile',
    'reads what the operator names',
  ],
  'src/supervisor/dashboard/served-page.ts': ['readFileSync', 'reads files of the package'],
  'src/supervisor/faults/local-traces.ts': ['readFileSync', 'in /proc'],
  'src/supervisor/handlers/socket-directory.ts': [
    'mkdtempSync openSync',
    'a new directory in one that is sticky or our own; without following links',
  ],
  'src/supervisor/log-rotation.ts': [
    'createReadStream createWriteStream lstatSync openSync renameSync rmSync',
    'at a place, or a descriptor',
  ],
  'src/supervisor/faults/memory-kills.ts': ['readFileSync', 'in /proc and /sys'],
  'src/supervisor/faults/native-stack.ts': [
    'accessSync readFileSync statSync',
    'in /proc; asks only',
  ],
  'src/supervisor/privileges.ts': ['openSync readdirSync', 'at a place, without following links'],
  'src/supervisor/shared-cache.ts': [
    'existsSync mkdtempSync readlinkSync statfsSync',
    'in /proc; a new directory in /dev/shm, which is sticky',
  ],
  'src/telemetry/log-file.ts': ['open openSync stat statSync', 'asks only; not as root; in /proc'],
  'src/worker/descriptors.ts': ['readFileSync', 'in /proc'],
};

/** Root is led astray by names in directories of others: base/careful-files.ts knows how not to be. */
export const carefulFiles: Rule = (file) => {
  if (!RUN_BY_ROOT.test(file.path) || isTest(file.path)) return [];
  const [allowed] = PATHS_BY_NAME[file.path] ?? [''];
  const isImported = file.imports.some((specifier) => /^node:fs(?:\/promises)?$/.test(specifier));
  const pattern = /^import (?:type )?(\{[^}]*\}|[^{};']+) from 'node:fs(?:\/promises)?'/gm;
  const imports = isImported ? file.text.matchAll(pattern) : [];
  const names = [...imports].flatMap(([, clause]) =>
    clause!.startsWith('{') ? clause!.slice(1, -1).split(',') : [clause!],
  );
  const used = names.map((name) => name.trim()).filter((name) => /^[^A-Z]/.test(name));
  const careless = used.filter(
    (name) => !BY_DESCRIPTOR.test(name) && !allowed.split(' ').includes(name),
  );
  const unused = allowed.split(' ').filter((name) => name !== '' && !used.includes(name));
  return [
    ...careless.map((name) => `${file.path}: ${name} by a path: use src/base/careful-files.ts`),
    ...unused.map((name) => `${file.path}: ${name} is allowed and not used: take it off the list`),
  ];
};

/** Terminals carry out what they read, and most of what commands print, peers have sent. */
export const harmlessOutput: Rule = (file) => {
  if (folderOf(file.path) !== 'cli' || isTest(file.path)) return [];
  if (file.path === 'src/cli/terminal.ts') return [];
  const pattern = /\bstd(?:out|err)\s*\??\.\s*write\b|\bconsole\s*\.|\bwriteSync\(\s*[12]\b/g;
  return search(file, file.code, pattern, 'commands print by src/cli/terminal.ts');
};

/** A machine without the openssl command skips tests, with that reason; none fails for it. */
export const needsOpenssl: Rule = (file) => {
  if (!file.path.endsWith('.test.ts')) return [];
  const makers = /(?:support\/(?:authority|example-site|s-client)|openssl-command)\.ts$/;
  const isSaid = /^\/\/ Needs openssl: |unlessInstalled\('openssl'\)|makeCertificate\.skip/;
  if (isSaid.test(file.text)) return [];
  return file.imports
    .filter((specifier) => makers.test(specifier))
    .map(
      (specifier) => `${file.path}: ${specifier} needs openssl: skip without it, see test/run.mjs`,
    );
};

export const fileNames: Rule = (file) => {
  const name = posix.basename(file.path);
  if (!/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.test|\.d)?\.(?:ts|js|mjs)$/.test(name)) {
    return [`${file.path}: file names are kebab-case`];
  }
  return /\b(?:utils?|helpers?|common|manager|misc)\b/.test(name)
    ? [`${file.path}: name what is in it`]
    : [];
};

/** Absolute paths of somebody's own machine. */
export const hostPaths: Rule = (file) =>
  search(
    file,
    file.text,
    /(?<![\w.$}*~-])\/(?:home|root|Users|work|workspace)\/\w[\w./-]*/g,
    'a path of one machine',
  );

/** Files of src/ that nothing leads to from an entry point, tests aside. */
export function deadFiles(files: readonly SourceFile[], entryPoints: readonly string[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reached = new Set<string>();
  const waiting = [...entryPoints];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    for (const specifier of byPath.get(path)?.imports ?? []) {
      const target = resolveImport(path, specifier);
      if (target !== undefined) waiting.push(target);
    }
  }
  return files
    .filter((file) => isSource(file.path) && !reached.has(file.path))
    .map((file) => `${file.path}: nothing that runs imports it`);
}

/** Relative links of a Markdown page that lead nowhere. */
export function brokenLinks(path: string, text: string, exists: (path: string) => boolean) {
  const prose = text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].flatMap((match) => {
    const target = match[1]!.replace(/#.*$/, '');
    if (target === '' || /^[a-z]+:/.test(target)) return [];
    return exists(posix.join(posix.dirname(path), target)) ? [] : [`${path}: dead link ${target}`];
  });
}

/** Every rule that looks at one file. */
export const rules = {
  layers,
  ffiImporter,
  rawPointers,
  purity,
  tlsWithoutDescriptors,
  reactorWithoutProtocols,
  noPromises,
  fileSize,
  lineLength,
  leftovers,
  erasableSyntax,
  bannedCalls,
  ownedPromises,
  harmlessOutput,
  carefulFiles,
  fileNames,
  needsOpenssl,
  hostPaths,
  castsByUnknown,
  longParameterLists,
  reasonForLength,
} satisfies Record<string, Rule>;
