/**
 * From lines of text to HTTP/2 frames: `TYPE [stream=N] [FLAG…] [KEY=VALUE…]`, and the payload below it,
 * indented by two spaces, one part a line:
 *
 * - `name: value` is a field line of a block: a literal that depends on no table and no Huffman code.
 * - `"text"` are bytes, `hex 82 84` as well; `GET[0..9]` are bytes of the block of a plain GET.
 *
 * Text has the escapes of ../vector-file.ts. `GET` and `POST` are HEADERS with the fields that such a
 * request needs, and those below added: the whole of a request, the head of one. Numbers and names of
 * errors and settings are those of RFC 9113; what has no name is `0x16`. `padding=7` makes room for as
 * many bytes at the end and says so; `PADDED` alone is the flag without them.
 */
import {
  block,
  END_HEADERS,
  END_STREAM,
  ERRORS,
  frame,
  GET_FIELDS,
  hex,
  PADDED,
  POST_FIELDS,
  PRIORITY,
  TYPE,
  u32,
} from '../../http2/wire.ts';
import { unescaped } from '../vector-file.ts';

const FLAGS: Readonly<Record<string, number>> = {
  ACK: 1,
  END_STREAM,
  END_HEADERS,
  PADDED,
  PRIORITY,
};

const SETTINGS: Readonly<Record<string, number>> = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
  ENABLE_CONNECT_PROTOCOL: 8,
};

/** Requests in one word: what stands for HEADERS, its flags and its first field lines. */
const REQUESTS: Readonly<
  Record<string, { flags: number; fields: readonly (readonly [string, string])[] }>
> = {
  GET: { flags: END_STREAM | END_HEADERS, fields: GET_FIELDS },
  POST: { flags: END_HEADERS, fields: POST_FIELDS },
};

const WEIGHT_DEFAULT = 15;
const EXCLUSIVE = 0x8000_0000;

export function framesOf(lines: readonly string[]): Buffer {
  const frames: Buffer[] = [];
  for (let i = 0; i < lines.length; ) {
    const head = lines[i]!;
    let end = i + 1;
    while (lines[end]?.startsWith('  ') === true) end++;
    frames.push(frameOf(head, lines.slice(i + 1, end)));
    i = end;
  }
  return Buffer.concat(frames);
}

function frameOf(head: string, below: readonly string[]): Buffer {
  const [name = '', ...words] = head.split(' ');
  const request = REQUESTS[name];
  const type = request === undefined ? (numberIn(TYPE, name) ?? fail(head)) : TYPE.HEADERS;
  const pairs = words.map((word) => word.split('=', 2) as [string, string?]);
  let flags = request?.flags ?? 0;
  for (const [word, value] of pairs) {
    if (value !== undefined || word === 'exclusive') continue;
    flags |= FLAGS[word] ?? fail(head);
  }
  const taken = new Taken(
    pairs.flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const])),
  );
  flags |= taken.number('flags') ?? 0;
  const streamId = taken.number('stream') ?? 0;
  const padding = taken.number('padding');
  const first = request === undefined ? [] : [block(...request.fields)];
  const prefix = prefixOf(type, taken, words.includes('exclusive'));
  const parts = [...prefix, ...first, ...below.map((line) => partOf(line.slice(2)))];
  if (padding !== null) {
    flags |= PADDED;
    parts.unshift(Buffer.of(padding));
    parts.push(Buffer.alloc(padding));
  }
  taken.finish(head);
  return frame(type, flags, streamId, Buffer.concat(parts));
}

/** What a type has before its text, of what the line says of it. */
function prefixOf(type: number, taken: Taken, exclusive: boolean): Buffer[] {
  switch (type) {
    case TYPE.SETTINGS:
      return taken.rest().map(([name, value]) => {
        const setting = Buffer.alloc(6);
        setting.writeUInt16BE(numberIn(SETTINGS, name) ?? fail(name));
        setting.writeUInt32BE(Number(value), 2);
        return setting;
      });
    case TYPE.HEADERS:
    case TYPE.PRIORITY: {
      const on = taken.number('on');
      if (on === null) return [];
      const weight = taken.number('weight') ?? WEIGHT_DEFAULT;
      return [u32(on + (exclusive ? EXCLUSIVE : 0)), Buffer.of(weight)];
    }
    default:
      return ['promised', 'of', 'last', 'increment', 'error'].flatMap((key) => {
        const number = key === 'error' ? taken.named(key) : taken.number(key);
        return number === null ? [] : [u32(number)];
      });
  }
}

function partOf(line: string): Buffer {
  if (line.startsWith('"') && line.endsWith('"')) return unescaped(line.slice(1, -1));
  if (line.startsWith('hex ')) return hex(line.slice('hex '.length));
  const piece = /^GET\[(\d+)\.\.(\d*)\]$/.exec(line);
  if (piece !== null) {
    const all = block(...GET_FIELDS);
    return all.subarray(Number(piece[1]), piece[2] === '' ? all.length : Number(piece[2]));
  }
  const field = /^(.*?): (.*)$/.exec(line) ?? /^(.*):()$/.exec(line) ?? fail(line);
  const [name, value] = field.slice(1).map((text) => unescaped(text!).toString('latin1'));
  return block([name!, value!]);
}

function numberIn(names: Readonly<Record<string, number>>, name: string): number | null {
  return names[name] ?? (/^0x[0-9a-f]+$/.test(name) ? Number(name) : null);
}

type Pair = readonly [key: string, value: string];

/** Values of a line by their keys, so that none is left without a meaning. */
class Taken {
  readonly #pairs: Pair[];

  constructor(pairs: Pair[]) {
    this.#pairs = pairs;
  }

  number(key: string): number | null {
    const text = this.#take(key);
    return text === undefined ? null : Number(text);
  }

  /** Of an error. */
  named(key: string): number | null {
    const text = this.#take(key);
    if (text === undefined) return null;
    const code = ERRORS.indexOf(text);
    return code === -1 ? Number(text) : code;
  }

  rest(): Pair[] {
    return this.#pairs.splice(0);
  }

  finish(line: string): void {
    if (this.#pairs.length > 0) fail(line);
  }

  #take(key: string): string | undefined {
    const index = this.#pairs.findIndex(([name]) => name === key);
    return index === -1 ? undefined : this.#pairs.splice(index, 1)[0]![1];
  }
}

function fail(line: string): never {
  throw new Error(`not a frame, or not a part of one: ${line}`);
}
