/** A configuration file as it is written: YAML 1.2, of which JSON is a part, with positions. */
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
  parseDocument,
} from 'yaml';
import { UsageError } from '../../base/errors.ts';
import type { KeyPath, Mistake, Position } from './mistake.ts';
import { explainSyntax } from './syntax.ts';

/** A configuration is written by hand: a larger file is another file named by mistake. */
const CONFIG_FILE_BYTES_MAX = 1024 * 1024;

export interface Source {
  /** As it was named. */
  readonly file: string;
  readonly text: string;
  /** What relative file names in it are relative to. */
  readonly directory: string;
}

/** Throws UsageError when it cannot be read. */
export function readSource(file: string, directory: string): Source {
  const path = resolve(directory, file);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(
      `--config ${JSON.stringify(file)}: cannot be read (${(error as NodeJS.ErrnoException).code})`,
      'name a YAML or JSON file that this user may read',
    );
  }
  if (text.length <= CONFIG_FILE_BYTES_MAX) return { file, text, directory: dirname(path) };
  throw new UsageError(
    `--config ${JSON.stringify(file)}: larger than 1 MiB`,
    'name a YAML or JSON file with options',
  );
}

export interface ParsedSource {
  readonly source: Source;
  /** Null when nothing can be read from it; then there are mistakes. */
  readonly root: Node | null;
  readonly mistakes: readonly Mistake[];
  /** Where the value of a path is, or else of the nearest that it is part of. */
  positionOf(path: KeyPath): Position;
  /** Where the key of a path is. */
  positionOfKey(path: KeyPath): Position;
  /** What an anchor was given to, for a reference to it. */
  resolve(node: unknown): Node | null;
}

export function parseSource(source: Source): ParsedSource {
  const document = parseDocument(source.text, { prettyErrors: false, logLevel: 'error' });
  const starts = lineStarts(source.text);
  const at = (offset: number): Position => {
    // What is missing at the end is missed behind the text.
    const within = Math.min(offset, source.text.length);
    const line = starts.findLastIndex((start) => start <= within);
    return { file: source.file, line: line + 1, column: within - starts[line]! + 1 };
  };
  const locate = (path: KeyPath, wantsKey: boolean) => at(offsetOf(document, path, wantsKey));
  return {
    source,
    root: document.errors.length === 0 ? (document.contents as Node | null) : null,
    mistakes: document.errors.map((error) => ({
      ...at(error.pos[0]),
      key: '',
      ...explainSyntax(error, source.text),
    })),
    positionOf: (path) => locate(path, false),
    positionOfKey: (path) => locate(path, true),
    resolve: (node) => resolved(document, node),
  };
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
      const pair = node.items.find((item) => isPair(item) && keyOf(item.key) === String(part));
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

export function keyOf(key: unknown): string {
  return isScalar(key) ? String(key.value) : String(key);
}
