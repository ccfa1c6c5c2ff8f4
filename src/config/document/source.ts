/** A configuration file as it is written: YAML 1.2, of which JSON is a part, with positions. */
import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
  visit,
  type YAMLMap,
} from 'yaml';
import { UsageError } from '../../base/errors.ts';
import type { Diagnostic, KeyPath, Position } from './diagnostic.ts';
import { explainSyntax, explainTwice } from './syntax.ts';

/** A configuration is written by hand: a larger file is another file named by mistake. */
const CONFIG_FILE_BYTES_MAX = 1024 * 1024;

export interface Source {
  /** As it was named. */
  readonly file: string;
  readonly text: string;
  /** Where in the text bytes stood that are no UTF-8: YAML 1.2 §5.2 knows nothing else of use here. */
  readonly foreign?: readonly number[];
  /** What relative file names in it are relative to. */
  readonly directory: string;
}

/** Throws UsageError when it cannot be read. */
export function readSource(file: string, directory: string): Source {
  const path = resolve(directory, file);
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new UsageError(
      `--config ${JSON.stringify(file)}: cannot be read (${(error as NodeJS.ErrnoException).code})`,
      'name a YAML or JSON file that this user may read',
    );
  }
  if (bytes.length <= CONFIG_FILE_BYTES_MAX) {
    return { file, ...decode(bytes), directory: dirname(path) };
  }
  throw new UsageError(
    `--config ${JSON.stringify(file)}: larger than 1 MiB`,
    'name a YAML or JSON file with options',
  );
}

/** RFC 3629 §4, by bytes that are characters here. */
const UTF_8 =
  /(?:[\0-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}){1,1024}/y;

/** Every byte that is none of UTF-8 becomes U+FFFD. */
function decode(bytes: Buffer): Required<Pick<Source, 'text' | 'foreign'>> {
  if (isUtf8(bytes)) return { text: bytes.toString('utf8'), foreign: [] };
  const written = bytes.toString('latin1');
  const foreign: number[] = [];
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    UTF_8.lastIndex = at;
    const length = UTF_8.exec(written)?.[0].length ?? 0;
    text += bytes.toString('utf8', at, at + length);
    at += length;
    if (length > 0) continue;
    foreign.push(text.length);
    text += '\ufffd';
    at++;
  }
  return { text, foreign };
}

export interface ParsedSource {
  readonly source: Source;
  /** Null when nothing can be read from it; then there are mistakes. */
  readonly root: Node | null;
  readonly diagnostics: readonly Diagnostic[];
  /** Where the value of a path is, or else of the nearest that it is part of. */
  positionOf(path: KeyPath): Position;
  /** Where an offset of the text is. */
  positionAt(offset: number): Position;
  /** Where the key of a path is. */
  positionOfKey(path: KeyPath): Position;
  /** What an anchor was given to, for a reference to it. */
  resolve(node: unknown): Node | null;
}

export function parseSource(source: Source): ParsedSource {
  // The parser compares each key with all before it; see `twice`.
  const options = { prettyErrors: false, logLevel: 'error', uniqueKeys: false } as const;
  const document = parseDocument(source.text, options);
  const starts = lineStarts(source.text);
  const at = (offset: number): Position => {
    // What is missing at the end is missed behind the text.
    const within = Math.min(offset, source.text.length);
    const line = lineOf(starts, within);
    return { file: source.file, line: line + 1, column: within - starts[line]! + 1 };
  };
  const repeated = document.errors.length === 0 ? twice(document) : [];
  const locate = (path: KeyPath, wantsKey: boolean) => at(offsetOf(document, path, wantsKey));
  return {
    source,
    root:
      document.errors.length === 0 && repeated.length === 0
        ? (document.contents as Node | null)
        : null,
    diagnostics: [
      ...document.errors.map((error) => ({
        ...at(error.pos[0]),
        key: '',
        ...explainSyntax(error, source.text),
      })),
      ...repeated.map((offset) => ({
        ...at(offset),
        key: '',
        ...explainTwice(source.text, offset),
      })),
      ...foreignIn(document, source).map((offset) => ({ ...at(offset), key: '', ...NO_UTF_8 })),
    ],
    positionAt: at,
    positionOf: (path) => locate(path, false),
    positionOfKey: (path) => locate(path, true),
    resolve: (node) => resolved(document, node),
  };
}

const NO_UTF_8 = {
  problem: 'a byte that is no UTF-8',
  remedy: 'save the file as UTF-8, as in iconv -f latin1 -t utf-8',
};

/** The first byte of each key and value that is no UTF-8; in a comment it does no harm. */
function foreignIn(document: Document, { foreign = [] }: Source): number[] {
  if (foreign.length === 0) return [];
  const found: number[] = [];
  visit(document, (_key, node) => {
    const range = isScalar(node) ? node.range : undefined;
    if (range == null) return;
    const first = foreign.find((offset) => offset >= range[0] && offset < range[1]);
    if (first !== undefined) found.push(first);
  });
  return found;
}

/** Where keys stand that are in their map already. */
function twice(document: Document): number[] {
  const found: number[] = [];
  visit(document, {
    Map(_key, map) {
      const known = new Set<string>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        const text = mapKeyText(key);
        if (known.has(text)) found.push(key.range?.[0] ?? 0);
        known.add(text);
      }
    },
  });
  return found;
}

/** The index of the line that an offset is in. */
function lineOf(starts: readonly number[], offset: number): number {
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (starts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', end + 1)) {
    starts.push(end + 1);
  }
  return starts;
}

function resolved(document: Document, node: unknown): Node | null {
  if (isAlias(node)) return (node.resolve(document) as Node | undefined) ?? null;
  return isNode(node) ? (node as Node) : null;
}

function offsetOf(document: Document, path: KeyPath, wantsKey: boolean): number {
  let node: Node | null = document.contents as Node | null;
  let offset = node?.range?.[0] ?? 0;
  for (const [depth, part] of path.entries()) {
    let next: unknown;
    if (isMap(node)) {
      const pair = pairOf(node, String(part));
      if (pair === undefined) return offset;
      const isEnd = depth === path.length - 1;
      const keyOffset = (pair.key as Node | null)?.range?.[0] ?? offset;
      next = pair.value;
      offset = (isEnd && wantsKey) || !isNode(next) ? keyOffset : (next.range?.[0] ?? keyOffset);
    } else if (isSeq(node)) {
      next = node.items[Number(part)];
      if (!isNode(next)) return offset;
      offset = next.range?.[0] ?? offset;
    } else {
      return offset;
    }
    node = resolved(document, next);
  }
  return offset;
}

/** By map: its pairs by their keys. Each mistake asks for its place, and there may be many. */
const pairsOf = new WeakMap<YAMLMap, Map<string, Pair>>();

function pairOf(map: YAMLMap, key: string): Pair | undefined {
  let pairs = pairsOf.get(map);
  if (pairs === undefined) {
    pairs = new Map();
    for (const item of map.items) {
      const text = mapKeyText(item.key);
      if (isPair(item) && !pairs.has(text)) pairs.set(text, item);
    }
    pairsOf.set(map, pairs);
  }
  return pairs.get(key);
}

export function mapKeyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : String(key);
}
