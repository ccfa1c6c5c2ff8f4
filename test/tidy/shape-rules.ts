/** Rules for the shape of a file and of its functions. */
import { lineAt, type SourceFile } from './source-file.ts';

const isSource = (path: string) => path.startsWith('src/') && !path.endsWith('.test.ts');

/** More lines than this have a reason, in the comment at the file's head. */
export const FILE_LINES_REPORTED = 500;

/** `Long because` and why, in the first comment of a file. */
export function reasonForLength({ path, text }: SourceFile): string[] {
  const lines = text.split('\n').length - 1;
  const isLong = isSource(path) && lines > FILE_LINES_REPORTED;
  const head = /^\s*\/\*\*(?:(?!\*\/)[\s\S])*\*\//.exec(text)?.[0] ?? '';
  return isLong && !/\bLong\s+(?:\*\s+)?because\b/.test(head)
    ? [`${path}: ${lines} lines: divide it, or say "Long because …" in its first comment`]
    : [];
}

const POSITIONS_MAX = 4;

/** Who has more positions, and why names would be worse. */
const BY_POSITION: Record<string, string> = {
  'src/http2/connection.ts onFrame': 'called for each frame: no object is made',
  'src/http2/content-receiver.ts content': 'called for each frame: no object is made',
  'src/http2/control-frames.ts onFrame': 'called for each frame: no object is made',
  'src/http2/control-frames.ts #onSettings': 'called for each frame: no object is made',
  'src/http2/control-frames.ts #onPing': 'called for each frame: no object is made',
  'src/http2/field-block-reader.ts onHeaders': 'called for each frame: no object is made',
  'src/http2/field-block-reader.ts onContinuation': 'called for each frame: no object is made',
  'src/http2/frame-reader.ts onFrame': 'called for each frame: no object is made',
  'src/http2/frame-writer.ts storedResponse': 'called for each hit: no object is made',
  'src/http2/frame-writer.ts writeHeader': 'called for each frame: no object is made',
  'src/http2/hpack-encoder.ts #literal': 'called for each field: no object is made',
  'src/http2/stream-frames.ts onHeaders': 'called for each frame: no object is made',
  'src/http2/stream-frames.ts onContinuation': 'called for each frame: no object is made',
  'src/http2/stream-frames.ts onData': 'called for each frame: no object is made',
  'src/proxy/proxy.ts #serveHit': 'called for each hit: no object is made',
  'src/routing/router.ts firstOf': 'called for each request: no object is made',
  'src/routing/router.ts fits': 'called for each request: no object is made',
  'src/http/dates.ts timeOf': 'a date, from its year to its second',
  'src/native/epoll.ts #operate': 'epoll_ctl(2) has them so',
  'src/telemetry/metric-table.ts metric': 'a row of a table',
  'src/triage/replay/client/key-schedule.ts expandLabel': 'RFC 8446 §7.1 has them so',
  'src/config/difference.ts compare': 'two sides of one comparison, and where they stand',
};

/** Files that go from one type to another by way of `unknown`: how often, and why no type says it. */
const CASTS: Record<string, readonly [count: number, reason: string]> = {
  'src/base/bytes.ts': [1, 'methods of Node’s Buffer that its types leave out'],
  'src/cli/sandbox/harmless-options.ts': [1, 'options of an incident, of whatever version'],
  'src/native/load.ts': [4, 'node:ffi has types for what is known when it is compiled'],
  'src/triage/causes/configuration.ts': [1, 'walks options by paths'],
  'src/triage/incident-check.ts': [2, 'every field has just been looked at'],
  'test/cache/disk-device.test.ts': [3, 'stands in for one overload of node:fs'],
  'test/conformance/cache-tests-run.ts': [1, 'stands in for the global fetch'],
  'test/http3/smuggling.test.ts': [1, 'is wrong on purpose'],
  'test/supervisor/root-files.test.ts': [1, 'parts of options, of which files are made'],
  'test/support/grpc.ts': [1, '@grpc/grpc-js makes clients of a table'],
  'test/support/quic/fake-tls.ts': [1, 'numbers of a message that has been measured'],
  'test/triage/sandbox.test.ts': [2, 'options as an incident has them, in JSON'],
};

const CAST = /\bas\s+unknown\s+as\b/g;

/** A test that needs a cast for what it hands in shows that the code asks for more than it uses. */
export function castsByUnknown({ path, code }: SourceFile): string[] {
  if (!/^(?:src|test|tools)\//.test(path)) return [];
  const allowed = CASTS[path]?.[0] ?? 0;
  return [...code.matchAll(CAST)]
    .slice(allowed)
    .map(
      ({ index }) =>
        `${path}:${lineAt(code, index)}: as unknown as: ask for a small interface instead, or give a reason`,
    );
}

const FUNCTION = /^(?:export )?(?:async )?function\*? (\w+)(?:<[^(]*>)?\(/;
const METHOD = /^ {2}(?:static |async |override |private )*((?:get |set )?#?\w+)(?:<[^(]*>)?\(/;
const ARROW = /\bconst (\w+)(?:: [^=\n]+)? = (?:async )?\(/;
const DECLARED = new RegExp([FUNCTION, METHOD, ARROW].map(({ source }) => source).join('|'), 'gm');

/** Functions with too many positions: `path name`, and what is wrong. */
function longLists({ code, path }: SourceFile): [entry: string, complaint: string][] {
  if (!isSource(path)) return [];
  return [...code.matchAll(DECLARED)].flatMap((match): [string, string][] => {
    const name = (match[1] ?? match[2] ?? match[3])!;
    const open = match.index + match[0].length - 1;
    const end = closing(code, open);
    const isDeclared = match[3] === undefined ? /^\s*[:{]/ : /^(?::[^=]*)?\s*=>/;
    const count = parametersIn(code.slice(open + 1, end));
    if (count <= POSITIONS_MAX || !isDeclared.test(code.slice(end + 1, end + 200))) return [];
    const where = `${path}:${lineAt(code, match.index + 1)}: ${name}`;
    return [
      [
        `${path} ${name}`,
        `${where}: ${count} parameters by position: give them names in one object`,
      ],
    ];
  });
}

/** Five values in a row are told apart by nobody: they have names, in one object. */
export function longParameterLists(file: SourceFile): string[] {
  return longLists(file).flatMap(([entry, complaint]) =>
    Object.hasOwn(BY_POSITION, entry) ? [] : [complaint],
  );
}

function closing(code: string, open: number): number {
  let depth = 0;
  for (let i = open; i < code.length; i++) {
    if ('([{'.includes(code[i]!)) depth++;
    else if (')]}'.includes(code[i]!) && --depth === 0) return i;
  }
  return code.length;
}

function parametersIn(list: string): number {
  let depth = 0;
  let count = list.trim() === '' ? 0 : 1;
  for (const [i, c] of [...list].entries()) {
    if ('([{<'.includes(c)) depth++;
    else if (')]}'.includes(c) || (c === '>' && list[i - 1] !== '=')) depth--;
    else if (c === ',' && depth === 0 && list.slice(i + 1).trim() !== '') count++;
  }
  return count;
}

/** Exceptions that are needed no more. */
export function unusedExceptions(files: readonly SourceFile[]): string[] {
  const needed = new Set(files.flatMap(longLists).map(([entry]) => entry));
  return Object.keys(BY_POSITION)
    .filter((entry) => !needed.has(entry))
    .map((entry) => `${entry} has no long list: take it off the list of exceptions`)
    .concat(
      Object.entries(CASTS).flatMap(([path, [count]]) => {
        const file = files.find((one) => one.path === path);
        const found = file === undefined ? 0 : [...file.code.matchAll(CAST)].length;
        return found === count ? [] : [`${path} has ${found} casts, and not ${count}`];
      }),
    );
}
