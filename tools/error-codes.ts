/**
 * Collects every error code that the program can raise from its source: calls that make errors, and
 * tables that name codes. A code that is written in a way this file does not know is an error here,
 * so that none is missed.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ErrorCode } from '../src/http2/protocol.ts';
import { http2Error } from '../src/http2/protocol-error.ts';
import { Http3ErrorCode } from '../src/http3/protocol.ts';
import { http3Error } from '../src/http3/protocol-error.ts';

const SOURCE = path.resolve(import.meta.dirname, '..', 'src');

export interface RaisedCode {
  readonly code: string;
  /** Files that raise it, relative to src/. */
  readonly files: readonly string[];
  /** Status codes that a refused request is answered with (http1); empty elsewhere. */
  readonly statuses: readonly number[];
}

/** A literal, a template, or anything else up to the next comma. */
const VALUE = "('[^']*'|`[^`]*`|[^,]+?)";

/** What makes an error: the code is the last group, a status may come before it. */
const MAKERS: readonly RegExp[] = [
  new RegExp(`new SluiceError\\(\\s*()${VALUE},`, 'g'),
  new RegExp(`new MessageError\\(\\s*(\\w+),\\s*${VALUE},`, 'g'),
  new RegExp(`\\brefus(?:e\\w*|al)\\(\\s*(\\d+),\\s*${VALUE},`, 'g'),
  // native/sockets.ts: the errors of listening.
  new RegExp(`\\brefused\\(\\s*()${VALUE},`, 'g'),
  // tls/connection.ts: a handshake that ends from outside.
  /\babandon\(()('[^']*')\)/g,
  // Tables, and codes in place of one that is not known.
  /\bcode: ()('[^']*')/g,
  /\bcode\b[^;\n]*\?\? ()('[^']+')/g,
];

/** Expressions that pass on a code which is named elsewhere. */
const PASSED_ON = new Set([
  'code',
  'error.code',
  'errorCode',
  'errorSlug(errorCode)',
  'meaning.code',
]);

export function raisedCodes(): ReadonlyMap<string, RaisedCode> {
  const found = new Map<string, { files: Set<string>; statuses: Set<number> }>();
  const note = (code: string, file: string, status?: number) => {
    const entry = found.get(code) ?? { files: new Set(), statuses: new Set() };
    entry.files.add(file);
    if (status !== undefined) entry.statuses.add(status);
    found.set(code, entry);
  };
  for (const file of sourceFiles()) {
    const text = readFileSync(path.join(SOURCE, file), 'utf8');
    for (const [code, status] of codesOf(text, file)) note(code, file, status);
  }
  for (const code of storeFaultCodes()) note(code, 'cache/disk/faults.ts');
  for (const number of Object.values(ErrorCode)) {
    note(http2Error(number, '', 'internal').code, 'http2/protocol-error.ts');
  }
  for (const number of Object.values(Http3ErrorCode)) {
    note(http3Error(number, '', 'internal').code, 'http3/protocol-error.ts');
  }
  return new Map(
    [...found]
      .sort()
      .map(([code, { files, statuses }]) => [
        code,
        { code, files: [...files], statuses: [...statuses].sort() },
      ]),
  );
}

/** Codes that the table of statuses (src/proxy/reply/proxy-status.ts) has an entry of its own for. */
export function mappedCodes(): string[] {
  const text = readFileSync(path.join(SOURCE, 'proxy', 'reply', 'proxy-status.ts'), 'utf8');
  const table = text.slice(text.indexOf('BY_CODE'), text.indexOf('};'));
  return [...table.matchAll(/'([\w.-]+)': \{ status/g)].map((match) => match[1]!);
}

function sourceFiles(): string[] {
  return readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
  );
}

/** Code and, where there is one, status of every error that a file makes. */
export function codesOf(text: string, file: string): [code: string, status: number | undefined][] {
  const found: [string, number | undefined][] = [];
  for (const maker of MAKERS) {
    for (const match of text.matchAll(maker)) {
      const [status, value] = [match[1]!, match[2]!.trim()];
      const codes = literals(value);
      if (codes === null && !PASSED_ON.has(value)) {
        throw new Error(`${file}: an error code that cannot be read here: ${match[0]}`);
      }
      for (const code of codes ?? []) found.push([code, Number(status) || undefined]);
    }
  }
  return found;
}

/** `'code'`, or `${kind}-code` for each kind of section that http1 reads; null for neither. */
function literals(value: string): string[] | null {
  if (value.startsWith("'")) return [value.slice(1, -1)];
  const template = /^`\$\{kind\}(-[\w-]+)`$/.exec(value);
  return template === null ? null : ['head', 'trailers'].map((kind) => kind + template[1]);
}

function storeFaultCodes(): string[] {
  const text = readFileSync(path.join(SOURCE, 'cache', 'disk', 'faults.ts'), 'utf8');
  const union = /export type StoreFaultCode =(.*?);/s.exec(text)?.[1] ?? '';
  return [...union.matchAll(/\| '([\w-]+)'/g)].map((match) => match[1]!);
}
