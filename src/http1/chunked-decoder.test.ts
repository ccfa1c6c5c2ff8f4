import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FieldSection } from '../http/field-section.ts';
import { ChunkedDecoder, type ChunkReceiver } from './chunked-decoder.ts';
import { defaultHttp1Limits, type Http1Limits } from './limits.ts';
import { MessageError, refuseRequest } from './message-error.ts';

class Receiver implements ChunkReceiver {
  content = '';
  ends: (FieldSection | null)[] = [];
  isPaused = false;

  onContent(bytes: Uint8Array): void {
    this.content += Buffer.from(bytes).toString('latin1');
  }

  onContentEnd(trailers: FieldSection | null): void {
    this.ends.push(trailers);
  }
}

/** Decodes the text and returns what came of it, or the message of its refusal. */
function decode(text: string, limits: Partial<Http1Limits> = {}): string {
  const decoder = new ChunkedDecoder({ ...defaultHttp1Limits, ...limits }, refuseRequest);
  const receiver = new Receiver();
  try {
    const used = decoder.decode(Buffer.from(text, 'latin1'), 0, receiver);
    const rest = text.length - used;
    return `${receiver.content}${receiver.ends.length === 1 ? '.' : '…'}${rest === 0 ? '' : rest}`;
  } catch (error) {
    assert.ok(error instanceof MessageError);
    return error.message;
  }
}

test('chunk sizes are hexadecimal digits and nothing else', () => {
  const table: [string, string][] = [
    ['0\r\n\r\n', '.'],
    ['3\r\nabc\r\n0\r\n\r\n', 'abc.'],
    ['0003\r\nabc\r\n000\r\n\r\n', 'abc.'],
    ['A\r\n0123456789\r\n0\r\n\r\n', '0123456789.'],
    ['0\r\n\r\nGET', '.3'],
    ['3\r\nab', 'ab…'],
    ['\r\n', 'not a chunk-size'],
    [' 3\r\n', 'not a chunk-size'],
    ['3 \r\n', 'not a chunk-size'],
    ['+3\r\n', 'not a chunk-size'],
    ['-3\r\n', 'not a chunk-size'],
    ['0x3\r\n', 'not a chunk-size'],
    ['3_0\r\n', 'not a chunk-size'],
    ['g\r\n', 'not a chunk-size'],
    ['3\n', 'not a chunk-size'],
    ['3\r3', 'a CR without LF in a chunk-size line'],
  ];
  for (const [text, expected] of table) assert.equal(decode(text), expected, JSON.stringify(text));
});

test('sizes beyond 2^53 - 1 and zeros without end are refused', () => {
  assert.equal(decode(`${'0'.repeat(16)}\r\n\r\n`), '.');
  assert.equal(decode('0'.repeat(17)), 'a chunk-size has too many digits');
  assert.equal(decode('1fffffffffffff\r\n'), '…');
  assert.equal(decode('20000000000000'), 'a chunk-size is too large');
  assert.equal(decode('ffffffffffffffff1'), 'a chunk-size is too large');
});

test('data must be as long as announced and end with CRLF', () => {
  assert.equal(decode('3\r\nabcd\r\n'), 'chunk data is not as long as its size');
  assert.equal(decode('3\r\nab\r\n0\r\n'), 'chunk data is not as long as its size');
  assert.equal(decode('3\r\nabc\n'), 'chunk data is not as long as its size');
  assert.equal(decode('3\r\nabc\rx'), 'chunk data does not end with CRLF');
});

test('extensions are read by their grammar and counted', () => {
  for (const ok of [';a', ';a=b', ';a="b"', ';a = b', ';a ;b', '; a', ';a="\\""']) {
    assert.equal(decode(`0${ok}\r\n\r\n`), '.', ok);
  }
  for (const bad of [
    ';',
    ';;a',
    ';a=',
    ';a=b c',
    ';a ',
    ';a="b',
    ';a="\n"',
    ';=b',
    ' ;a',
    ';a\n',
  ]) {
    assert.match(decode(`0${bad}\r\n\r\n`), /^not a chunk/, JSON.stringify(bad));
  }
  assert.equal(decode(`0;${'a'.repeat(300)}`), 'a chunk-size line is too long');
  const many = '1;abcdefgh\r\nx\r\n'.repeat(10);
  assert.equal(decode(many, { chunkExtensionBytesMax: 50 }), 'too many chunk extensions');
  assert.equal(decode(many, { chunkExtensionBytesMax: 100 }), 'xxxxxxxxxx…');
});

test('it stops where its receiver pauses, and goes on from there', () => {
  const decoder = new ChunkedDecoder(defaultHttp1Limits, refuseRequest);
  const receiver = new Receiver();
  const bytes = Buffer.from('1\r\na\r\n1\r\nb\r\n0\r\n\r\n');
  receiver.onContent = (piece) => {
    receiver.content += Buffer.from(piece).toString();
    receiver.isPaused = true;
  };
  let at = 0;
  for (const expected of ['a', 'ab', 'ab']) {
    receiver.isPaused = false;
    at = decoder.decode(bytes, at, receiver);
    assert.equal(receiver.content, expected);
  }
  assert.equal(at, bytes.length);
  assert.equal(receiver.ends.length, 1);
});

test('trailers are handed on without those that decide about framing or routing', () => {
  const decoder = new ChunkedDecoder(defaultHttp1Limits, refuseRequest);
  const receiver = new Receiver();
  const lines = 'X-Sum: 1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: b\r\n';
  decoder.decode(Buffer.from(`0\r\n${lines}\r\n`), 0, receiver);
  assert.deepEqual([...receiver.ends[0]!], [['x-sum', '1']]);
  decoder.reset();
  decoder.decode(Buffer.from('0\r\nHost: b\r\n\r\n'), 0, receiver);
  assert.equal(receiver.ends[1], null);
});
