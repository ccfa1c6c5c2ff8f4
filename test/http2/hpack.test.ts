import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FieldBlock } from '../../src/http/field-block.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts';
import { HpackEncoder } from '../../src/http2/hpack-encoder.ts';
import fc from '../support/fast-check.ts';
import { groups } from '../vectors/http2/rfc7541-appendix-c.ts';
import { hex } from './wire.ts';

function lines(decoder: HpackDecoder): [string, string][] {
  const { names, values, count } = decoder.fields;
  return Array.from({ length: count }, (_, i) => [names[i]!, values[i]!]);
}

function decode(decoder: HpackDecoder, block: Uint8Array): [string, string][] {
  assert.ok(decoder.decode(block, 0, block.length), decoder.failure);
  return lines(decoder);
}

describe('RFC 7541 Appendix C', () => {
  for (const { name, tableBytesMax, blocks } of groups) {
    test(name, () => {
      const decoder = new HpackDecoder({ fieldSectionBytesMax: 65_536, tableBytesMax });
      for (const block of blocks) {
        assert.deepEqual(decode(decoder, hex(block.hex)), block.lines);
        assert.equal(decoder.tableBytes, block.tableBytes);
      }
    });
  }

  test('our encoder makes the blocks of C.4, byte by byte', () => {
    const encoder = new HpackEncoder(new FieldBlock(), 4_096);
    for (const block of groups[5]!.blocks) {
      encoder.begin();
      for (const [name, value] of block.lines) encoder.field(name, value);
      const made = Buffer.from(encoder.block.bytes.subarray(0, encoder.block.length));
      assert.equal(made.toString('hex'), block.hex.replaceAll(' ', ''));
      assert.equal(encoder.tableBytes, block.tableBytes);
    }
  });
});

const name = fc.oneof(
  fc.constantFrom('accept', 'cookie', 'x-one', 'x-two', 'date', 'set-cookie', 'authorization'),
  fc.stringMatching(/^[a-z0-9-]{1,30}$/),
);
const value = fc.oneof(
  fc.constantFrom('', 'gzip, deflate', 'a', 'b', 'c'.repeat(300), 'd'.repeat(3_000)),
  fc.stringMatching(/^[!-~\xa0-\xff]{0,60}$/),
);
const section = fc.array(fc.tuple(name, value), { maxLength: 12 });

test('what the encoder says the decoder hears, and their tables stay in step', () => {
  const step = fc.record({ lines: section, limit: fc.constantFrom(-1, -1, 0, 64, 300, 4_096) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const encoder = new HpackEncoder(new FieldBlock(), 4_096);
      const decoder = new HpackDecoder({ fieldSectionBytesMax: 1 << 20, tableBytesMax: 4_096 });
      for (const { lines: sent, limit } of steps) {
        if (limit >= 0) encoder.setPeerLimit(limit);
        encoder.begin();
        for (const [fieldName, fieldValue] of sent) encoder.field(fieldName, fieldValue);
        const block = encoder.block.bytes.slice(0, encoder.block.length);
        assert.deepEqual(decode(decoder, block), sent);
        assert.equal(decoder.tableBytes, encoder.tableBytes);
      }
    }),
  );
});

test('sensitive fields are never indexed, short cookies among them (RFC 7541 §7.1.3)', () => {
  const encoder = new HpackEncoder(new FieldBlock(), 4_096);
  for (const [fieldName, fieldValue] of [
    ['authorization', 'Basic dTpw'],
    ['proxy-authorization', 'Basic dTpw'],
    ['cookie', 'short=1'],
  ] as const) {
    encoder.begin();
    encoder.field(fieldName, fieldValue);
    assert.equal(encoder.block.bytes[0]! & 0xf0, 0x10, fieldName);
    assert.equal(encoder.tableBytes, 0);
  }
});

test('connection-specific fields are never sent (RFC 9113 §8.2.2)', () => {
  const encoder = new HpackEncoder(new FieldBlock(), 4_096);
  encoder.begin();
  encoder.section(
    FieldSection.of(
      ['connection', 'x'],
      ['keep-alive', '1'],
      ['te', 'gzip'],
      ['te', 'trailers'],
      ['transfer-encoding', 'chunked'],
      ['upgrade', 'h2c'],
      ['host', 'a'],
      ['accept', '*/*'],
    ),
    '',
  );
  const decoder = new HpackDecoder({ fieldSectionBytesMax: 4_096, tableBytesMax: 4_096 });
  assert.deepEqual(decode(decoder, encoder.block.bytes.slice(0, encoder.block.length)), [
    ['te', 'trailers'],
    ['accept', '*/*'],
  ]);
});

test('a section beyond the limit is decoded for the table and not kept', () => {
  const decoder = new HpackDecoder({ fieldSectionBytesMax: 100, tableBytesMax: 4_096 });
  const big = Buffer.concat([hex('40 01 61 32'), Buffer.alloc(50, 98)]);
  const block = Buffer.concat([big, hex('be be be be')]);
  assert.equal(decode(decoder, block).length, 1);
  assert.ok(decoder.isTooLarge);
  assert.equal(decoder.fields.size, 5 * 83);
  assert.deepEqual(decode(decoder, hex('be')), [['a', 'b'.repeat(50)]]);
  assert.ok(!decoder.isTooLarge);
});

test('any bytes are decoded or refused, and never more than their limit is kept', () => {
  const decoder = new HpackDecoder({ fieldSectionBytesMax: 4_096, tableBytesMax: 4_096 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      decoder.decode(bytes, 0, bytes.length);
      assert.ok(decoder.tableBytes <= 4_096);
      const kept = lines(decoder).reduce((sum, [n, v]) => sum + n.length + v.length + 32, 0);
      assert.ok(kept <= 4_096);
    }),
    { numRuns: 3_000 },
  );
});
