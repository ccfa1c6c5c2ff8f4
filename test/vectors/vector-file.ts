/**
 * Test vectors in Markdown: a heading names the case, a fence holds the input, the next one the
 * expected events. What lines of input stand for is the protocol's matter; those of HTTP/1:
 *
 * - Every line of the input ends with CRLF, unless its last character is a backslash.
 * - `\r`, `\n`, `\t`, `\0`, `\xHH` and `\\` mean what they mean in C.
 * - `\{3*ab}` is `ababab`.
 */
import { readFileSync } from 'node:fs';

export interface Vector {
  /** Line of the heading, from 1. */
  readonly line: number;
  readonly name: string;
  /** Words after the kind in the input's info string, `key=value` or `flag`. */
  readonly options: ReadonlyMap<string, string>;
  readonly kind: string;
  readonly input: Buffer;
  readonly events: readonly string[];
}

interface Fence {
  readonly line: number;
  readonly info: string;
  readonly lines: readonly string[];
}

/** `encode`: from the lines of a fence to what is sent. */
export function readVectors(
  path: string,
  encode: (lines: readonly string[]) => Buffer = bytesOf,
): Vector[] {
  const vectors: Vector[] = [];
  for (const { heading, input, events } of cases(readFileSync(path, 'utf8'), path)) {
    const [kind = '', ...words] = input.info.split(/\s+/);
    vectors.push({
      line: heading.line,
      name: heading.text,
      kind,
      options: new Map(words.map((word) => [word.split('=')[0]!, word.split('=')[1] ?? ''])),
      input: encode(input.lines),
      events: events.lines,
    });
  }
  return vectors;
}

/** The file's text with the events of every case, in order, replaced. */
export function withEvents(path: string, replacements: readonly (readonly string[])[]): string {
  const text = readFileSync(path, 'utf8');
  const lines = text.split('\n');
  for (const [index, { events }] of [...cases(text, path).entries()].reverse()) {
    lines.splice(events.line, events.lines.length, ...(replacements[index] ?? []));
  }
  return lines.join('\n');
}

function cases(text: string, path: string) {
  const found: { heading: { line: number; text: string }; input: Fence; events: Fence }[] = [];
  let heading = { line: 0, text: '' };
  let input: Fence | null = null;
  let fence: { line: number; info: string; lines: string[] } | null = null;
  for (const [index, line] of text.split('\n').entries()) {
    if (fence !== null) {
      if (line !== '```') {
        fence.lines.push(line);
      } else if (fence.info === 'events') {
        if (input === null) throw new Error(`${path}:${fence.line}: events without an input`);
        found.push({ heading, input, events: fence });
        input = null;
        fence = null;
      } else {
        input = fence;
        fence = null;
      }
    } else if (line.startsWith('```')) {
      fence = { line: index + 1, info: line.slice(3), lines: [] };
    } else if (line.startsWith('#')) {
      if (input !== null) throw new Error(`${path}:${index + 1}: an input without events`);
      heading = { line: index + 1, text: line.replace(/^#+ /, '') };
    }
  }
  if (fence !== null || input !== null) throw new Error(`${path}: an unfinished case at the end`);
  return found;
}

const ESCAPES: Record<string, string> = { r: '\r', n: '\n', t: '\t', 0: '\0', '\\': '\\' };

function bytesOf(lines: readonly string[]): Buffer {
  const ended = lines.map((line) =>
    /(?<!\\)(?:\\\\)*\\$/.test(line) ? line.slice(0, -1) : `${line}\\r\\n`,
  );
  return unescaped(ended.join(''));
}

/** Bytes of text with escapes. */
export function unescaped(text: string): Buffer {
  const bytes = text
    .replace(/\\\{(\d+)\*(.*?)\}/g, (_, count: string, unit: string) => unit.repeat(+count))
    .replace(/\\(?:x([0-9a-fA-F]{2})|(.))/g, (whole, hex: string | undefined, letter: string) => {
      if (hex !== undefined) return String.fromCharCode(Number(`0x${hex}`));
      const byte = ESCAPES[letter];
      if (byte === undefined) throw new Error(`no such escape: ${whole}`);
      return byte;
    });
  return Buffer.from(bytes, 'latin1');
}

/** Bytes as one line of text. Long ones are cut in the middle. */
export function printable(bytes: string): string {
  const short =
    bytes.length > 120 ? `${bytes.slice(0, 60)}…${bytes.length - 80}…${bytes.slice(-20)}` : bytes;
  return short.replace(/[\0-\x1f\x7f-\xff\\]/g, (c) => {
    const letter = Object.keys(ESCAPES).find((key) => ESCAPES[key] === c);
    return letter === undefined
      ? `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`
      : `\\${letter}`;
  });
}
