/**
 * From lines of text to what a client does on streams: `STREAM: OP [KEY=VALUE…]`, and the payload below
 * it, indented by two spaces, one part a line. `STREAM` is an identifier, or `control`, `encoder`,
 * `decoder` for 2, 6 and 10 (their type is sent first, unless `raw` stands before). Ops:
 *
 * - `GET` and `POST`: HEADERS with the fields that such a request needs and those below added; GET ends
 *   the stream. `HEADERS`: only the fields below. `DATA`, `SETTINGS`, `GOAWAY`, …, `FRAME 0x21`: frames.
 * - `BYTES`: what stands below, as it is. `FIN`, `RESET`, `STOP`: the stream's end.
 * - `FIN` behind an op ends the stream with it.
 *
 * Parts: `name: value` is a field line, a literal without table and Huffman code; `"text"` are bytes, as
 * are `hex 82 84`; `varint 0x40` is an integer of QUIC's. Text has the escapes of ../vector-file.ts.
 *
 * What comes out is a row of records: stream (4 bytes), kind (1), length (4), and bytes; so that a cut
 * inside a record cuts what the stream brings.
 */
import {
  frame,
  GET_FIELDS,
  hex,
  line,
  POST_FIELDS,
  SETTING,
  TYPE,
  varint,
} from '../../http3/wire.ts';
import { unescaped } from '../vector-file.ts';

export const KIND = { DATA: 0, FIN: 1, RESET: 2, STOP: 3 } as const;
export const RECORD_HEADER_BYTES = 9;

const NAMED: Readonly<Record<string, { id: number; type: number }>> = {
  control: { id: 2, type: 0 },
  encoder: { id: 6, type: 2 },
  decoder: { id: 10, type: 3 },
};

const REQUESTS: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  GET: GET_FIELDS,
  POST: POST_FIELDS,
  HEADERS: [],
};

function record(id: number, kind: number, bytes: Uint8Array): Buffer {
  const header = Buffer.alloc(RECORD_HEADER_BYTES);
  header.writeUInt32BE(id, 0);
  header.writeUInt8(kind, 4);
  header.writeUInt32BE(bytes.length, 5);
  return Buffer.concat([header, bytes]);
}

export function scriptOf(lines: readonly string[]): Buffer {
  const records: Buffer[] = [];
  const opened = new Set<string>();
  for (let i = 0; i < lines.length; ) {
    const head = lines[i++]!;
    const parts: string[] = [];
    while (i < lines.length && lines[i]!.startsWith('  ')) parts.push(lines[i++]!.slice(2));
    records.push(...recordsOf(head, parts, opened));
  }
  return Buffer.concat(records);
}

function recordsOf(head: string, parts: readonly string[], opened: Set<string>): Buffer[] {
  const [, raw, name = '', rest = ''] = /^(raw )?(\w+): (.*)$/.exec(head) ?? [];
  const words = rest.split(' ');
  const isFin = words.at(-1) === 'FIN' || words[0] === 'GET';
  const named = NAMED[name];
  const id = named?.id ?? Number(name);
  if (Number.isNaN(id)) throw new Error(`no such stream: ${head}`);
  if (words[0] === 'RESET') return [record(id, KIND.RESET, codeOf(words))];
  if (words[0] === 'STOP') return [record(id, KIND.STOP, codeOf(words))];
  const isFirst = named !== undefined && raw === undefined && !opened.has(name);
  opened.add(name);
  const bytes = words[0] === 'FIN' ? Buffer.alloc(0) : bytesOf(words, parts);
  const whole = isFirst ? Buffer.concat([varint(named.type), bytes]) : bytes;
  return [record(id, isFin ? KIND.FIN : KIND.DATA, whole)];
}

function codeOf(words: readonly string[]): Buffer {
  return Buffer.from([Number(words[1] ?? 0x10c) >> 8, Number(words[1] ?? 0x10c) & 0xff]);
}

function bytesOf(words: readonly string[], parts: readonly string[]): Buffer {
  const op = words[0]!;
  const payload = Buffer.concat(parts.map(partOf));
  if (op === 'BYTES') return payload;
  const fields = REQUESTS[op];
  if (fields !== undefined) {
    const prefix = words.includes('bare') ? Buffer.alloc(0) : hex('0000');
    const lines = fields.map(([name, value]) => line(name, value));
    return frame(TYPE.HEADERS, prefix, ...lines, payload);
  }
  if (op === 'SETTINGS') {
    const pairs = words.slice(1).filter((word) => word.includes('='));
    const ids = pairs.map((pair) => pair.split('=') as [string, string]);
    return frame(
      TYPE.SETTINGS,
      ...ids.flatMap(([id, value]) => [settingOf(id), varint(+value)]),
      payload,
    );
  }
  if (op === 'FRAME') return frame(Number(words[1]), payload);
  const type = TYPE[op as keyof typeof TYPE];
  if (type === undefined) throw new Error(`no such op: ${op}`);
  return frame(type, payload);
}

function settingOf(id: string): Buffer {
  return varint(SETTING[id as keyof typeof SETTING] ?? Number(id));
}

function partOf(text: string): Buffer {
  if (text.startsWith('"')) return unescaped(text.slice(1, -1));
  if (text.startsWith('hex ')) return hex(text.slice(4));
  if (text.startsWith('varint ')) return varint(Number(text.slice(7)));
  const [, name, value] = /^(:?[^:]*): ?(.*)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new Error(`no part: ${text}`);
  return line(unescaped(name).toString('latin1'), unescaped(value).toString('latin1'));
}
