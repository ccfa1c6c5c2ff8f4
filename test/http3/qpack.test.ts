/** QPACK by itself: RFC 9204 with its examples, properties under any order of delivery, and attacks. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FieldBlock } from '../../src/http/field-block.ts';
import {
  QpackDecoder,
  type QpackDecoderLimits,
  SectionResult,
} from '../../src/http3/qpack/decoder.ts';
import { QpackEncoder, type QpackEncoderLimits } from '../../src/http3/qpack/encoder.ts';
import {
  QPACK_STATIC_ENTRIES,
  qpackStaticNames,
  qpackStaticValues,
} from '../../src/http3/qpack/static-table.ts';
import fc from '../support/fast-check.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

function decoderWith(limits: Partial<QpackDecoderLimits> = {}): QpackDecoder {
  const defaults = { fieldSectionBytesMax: 65_536, tableBytesMax: 4_096, blockedStreamsMax: 16 };
  return new QpackDecoder({ ...defaults, ...limits });
}

function encoderWith(limits: Partial<QpackEncoderLimits> = {}): QpackEncoder {
  const defaults = { tableBytesMax: 4_096, blockedStreamsMax: 16, unacknowledgedSectionsMax: 256 };
  const blocks = { prefix: new FieldBlock(), lines: new FieldBlock() };
  return new QpackEncoder(blocks, { ...defaults, ...limits });
}

function taken(block: FieldBlock): Buffer {
  const bytes = Buffer.from(block.bytes.slice(0, block.length));
  block.length = 0;
  return bytes;
}

type Lines = readonly (readonly [string, string])[];

function encode(encoder: QpackEncoder, streamId: number, lines: Lines): Buffer {
  encoder.begin(streamId);
  for (const [name, value] of lines) encoder.field(name, value);
  encoder.end();
  return Buffer.concat([taken(encoder.prefix), taken(encoder.lines)]);
}

function linesOf(decoder: QpackDecoder): [string, string][] {
  const { names, values, count } = decoder.fields;
  return Array.from({ length: count }, (_, i) => [names[i]!, values[i]!]);
}

function decoded(decoder: QpackDecoder, streamId: number, section: Uint8Array): Lines {
  const result = decoder.decode(streamId, section, 0, section.length);
  assert.equal(result, SectionResult.DONE, decoder.failure);
  return linesOf(decoder);
}

const failed = (decoder: QpackDecoder, text: string) => {
  const section = hex(text);
  return decoder.decode(0, section, 0, section.length) === SectionResult.FAILED;
};

describe('RFC 9204 Appendix B', () => {
  test('B.1: a literal with a name of the static table', () => {
    const decoder = decoderWith();
    const lines = decoded(decoder, 0, hex('0000 510b 2f69 6e64 6578 2e68 746d 6c'));
    assert.deepEqual(lines, [[':path', '/index.html']]);
    assert.equal(decoder.instructions.length, 0);
  });

  test('B.2 to B.5: the dynamic table, one connection', () => {
    const decoder = decoderWith({ tableBytesMax: 220 });
    const receive = (text: string) => assert.ok(decoder.receive(hex(text)), decoder.failure);
    receive('3fbd01 c00f 7777 772e 6578 616d 706c 652e 636f 6d c10c 2f73 616d 706c 652f 7061 7468');
    assert.equal(decoder.tableBytes, 106);
    assert.deepEqual(decoded(decoder, 4, hex('0381 10 11')), [
      [':authority', 'www.example.com'],
      [':path', '/sample/path'],
    ]);
    // We tell of inserts at once, where the example leaves that to the acknowledgement.
    assert.equal(taken(decoder.instructions).toString('hex'), '0284');

    receive('4a63 7573 746f 6d2d 6b65 790c 6375 7374 6f6d 2d76 616c 7565');
    assert.equal(decoder.tableBytes, 160);
    assert.equal(taken(decoder.instructions).toString('hex'), '01');

    const section = hex('0500 80 c1 81');
    assert.equal(decoder.decode(8, section, 0, section.length), SectionResult.BLOCKED);
    assert.deepEqual(decoder.takeUnblocked(), []);
    receive('02');
    assert.equal(decoder.tableBytes, 217);
    assert.deepEqual(decoder.takeUnblocked(), [8]);
    taken(decoder.instructions);
    decoder.cancel(8);
    assert.equal(taken(decoder.instructions).toString('hex'), '48');
    assert.deepEqual(decoded(decoder, 8, section), [
      [':authority', 'www.example.com'],
      [':path', '/'],
      ['custom-key', 'custom-value'],
    ]);

    receive('810d 6375 7374 6f6d 2d76 616c 7565 32');
    assert.equal(decoder.tableBytes, 215);
    // The first :authority is gone, the second, its duplicate, is there (relative index 1).
    assert.deepEqual(decoded(decoder, 12, hex('0600 81 80')), [
      [':authority', 'www.example.com'],
      ['custom-key', 'custom-value2'],
    ]);
  });
});

test('the static table has 99 entries, and each is found by its text and its index', () => {
  assert.equal(QPACK_STATIC_ENTRIES, 99);
  const encoder = encoderWith();
  const lines = qpackStaticNames.map((name, i) => [name, qpackStaticValues[i]!] as const);
  const section = encode(encoder, 0, lines);
  // Two bytes of prefix; indices below 63 take one byte, the others two.
  assert.equal(section.length, 2 + 63 + 36 * 2);
  assert.deepEqual(decoded(decoderWith(), 0, section), lines);
});

const name = fc.oneof(
  fc.constantFrom('accept', 'cookie', 'x-one', 'x-two', 'date', 'set-cookie', 'authorization'),
  fc.stringMatching(/^[a-z0-9-]{1,30}$/),
);
const value = fc.oneof(
  fc.constantFrom('', 'gzip, deflate', 'a', 'b', 'c'.repeat(300), 'd'.repeat(3_000)),
  fc.stringMatching(/^[!-~\xa0-\xff]{0,60}$/),
);
const section = fc.array(fc.tuple(name, value), { maxLength: 8 });

/** Three ways between two ends: instructions in order, sections in any order, each cut anywhere. */
class Wire {
  readonly encoder: QpackEncoder;
  readonly decoder: QpackDecoder;
  readonly blockedMax: number;
  readonly sections: { id: number; bytes: Buffer; lines: Lines; isBlocked: boolean }[] = [];
  #toDecoder: Buffer = Buffer.alloc(0);
  #toEncoder: Buffer = Buffer.alloc(0);
  #nextId = 0;
  done = 0;

  constructor(tableBytesMax: number, blockedMax: number) {
    this.encoder = encoderWith();
    this.decoder = decoderWith({ tableBytesMax, blockedStreamsMax: blockedMax });
    this.blockedMax = blockedMax;
    this.encoder.setPeerLimits(tableBytesMax, blockedMax);
  }

  send(lines: Lines): void {
    const id = this.#nextId;
    this.#nextId += 4;
    const bytes = encode(this.encoder, id, lines);
    this.#toDecoder = Buffer.concat([this.#toDecoder, taken(this.encoder.instructions)]);
    this.sections.push({ id, bytes, lines, isBlocked: false });
  }

  /** Some of the instructions arrive. */
  instruct(bytes: number): void {
    const piece = Buffer.from(this.#toDecoder.subarray(0, bytes));
    this.#toDecoder = this.#toDecoder.subarray(bytes);
    assert.ok(this.decoder.receive(piece), this.decoder.failure);
    piece.fill(0xdd);
    for (const id of this.decoder.takeUnblocked()) {
      const one = this.sections.find((candidate) => candidate.id === id)!;
      one.isBlocked = false;
      this.arrive(this.sections.indexOf(one));
      assert.equal(one.isBlocked, false);
    }
  }

  arrive(index: number): void {
    const one = this.sections[index]!;
    if (one.isBlocked) return;
    const result = this.decoder.decode(one.id, one.bytes, 0, one.bytes.length);
    assert.notEqual(result, SectionResult.FAILED, this.decoder.failure);
    one.isBlocked = result === SectionResult.BLOCKED;
    assert.ok(this.decoder.blockedStreams <= this.blockedMax);
    if (one.isBlocked) return;
    assert.deepEqual(linesOf(this.decoder), one.lines);
    this.sections.splice(this.sections.indexOf(one), 1);
    this.done++;
  }

  cancel(index: number): void {
    const [one] = this.sections.splice(index, 1);
    this.decoder.cancel(one!.id);
  }

  acknowledge(bytes: number): void {
    this.#toEncoder = Buffer.concat([this.#toEncoder, taken(this.decoder.instructions)]);
    const piece = Buffer.from(this.#toEncoder.subarray(0, bytes));
    this.#toEncoder = this.#toEncoder.subarray(bytes);
    assert.ok(this.encoder.receive(piece), this.encoder.failure);
  }

  settle(): void {
    this.instruct(1 << 20);
    while (this.sections.length > 0) this.arrive(0);
    this.acknowledge(1 << 20);
  }
}

test('whatever the order of arrival, what was encoded is what is decoded', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('send' as const), lines: section }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('instruct' as const), n: fc.nat(90) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('arrive' as const), n: fc.nat(90) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('answer' as const), n: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), n: fc.nat(90) }) },
  );
  let references = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(0, 31, 64, 220, 700, 4_096),
      fc.constantFrom(0, 1, 3, 16),
      fc.array(step, { maxLength: 60 }),
      (tableBytes, blockedMax, steps) => {
        const wire = new Wire(tableBytes, blockedMax);
        for (const one of steps) {
          const count = wire.sections.length;
          if (one.kind === 'send') wire.send(one.lines);
          else if (one.kind === 'instruct') wire.instruct(one.n);
          else if (one.kind === 'answer') wire.acknowledge(one.n);
          else if (count === 0) continue;
          else if (one.kind === 'arrive') wire.arrive(one.n % count);
          else wire.cancel(one.n % count);
          references += wire.encoder.unacknowledgedSections;
        }
        wire.settle();
        assert.equal(wire.encoder.unacknowledgedSections, 0, 'every section is accounted for');
        assert.equal(wire.encoder.tableBytes, wire.decoder.tableBytes);
        assert.equal(wire.encoder.insertCount, wire.decoder.insertCount);
      },
    ),
    { numRuns: 150 },
  );
  assert.ok(references > 100, 'the dynamic table was used');
});

/** Heads as browsers send them, much alike: what qifs have, in small. */
function browserHead(i: number): Lines {
  return [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':authority', 'www.example.com'],
    [':path', `/assets/${i}.js`],
    ['user-agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'],
    ['accept', i % 3 === 0 ? 'image/avif,image/webp,*/*;q=0.8' : '*/*'],
    ['accept-encoding', 'gzip, deflate, br, zstd'],
    ['referer', 'https://www.example.com/page'],
    ['cookie', `session=${'s'.repeat(60)}`],
    ['sec-fetch-dest', i % 3 === 0 ? 'image' : 'script'],
  ];
}

for (const [tableBytes, blocked, bytesMax] of [
  [0, 0, 9_000],
  [256, 0, 8_200],
  [4_096, 0, 1_700],
  [4_096, 16, 1_300],
] as const) {
  test(`40 heads of a browser with a table of ${tableBytes} and ${blocked} blocked streams`, () => {
    const wire = new Wire(tableBytes, blocked);
    let bytes = 0;
    for (let i = 0; i < 40; i++) {
      wire.send(browserHead(i));
      bytes += wire.sections[0]!.bytes.length;
      wire.settle();
    }
    assert.equal(wire.done, 40);
    assert.ok(bytes < bytesMax, `${bytes} bytes of sections`);
  });
}

test('a table that is full goes on taking entries: what is used stays, what is not goes', () => {
  const wire = new Wire(512, 16);
  for (let i = 0; i < 200; i++) {
    wire.send([
      ['x-always', 'the same'],
      ['x-changing', `value ${i}`],
    ]);
    const { bytes } = wire.sections[0]!;
    wire.settle();
    if (i > 0) assert.ok(bytes.length < 8, `${i}: ${bytes.length} bytes`);
  }
  assert.ok(wire.encoder.insertCount >= 200);
});

test('a peer that acknowledges nothing costs a bounded number of remembered sections', () => {
  const encoder = encoderWith({ unacknowledgedSectionsMax: 8 });
  encoder.setPeerLimits(4_096, 100);
  for (let i = 0; i < 100; i++) encode(encoder, i * 4, [['x-a', 'b'.repeat(20)]]);
  assert.equal(encoder.unacknowledgedSections, 8);
});

test('a peer whose encoder stream is held up gets sections that need none of it', () => {
  const encoder = encoderWith();
  encoder.setPeerLimits(4_096, 16);
  taken(encoder.instructions);
  encoder.isHeldUp = true;
  const bytes = encode(encoder, 0, [['x-a', 'b']]);
  assert.equal(encoder.instructions.length, 0);
  assert.deepEqual(decoded(decoderWith(), 0, bytes), [['x-a', 'b']]);
});

test('credentials are never indexed, and say so (RFC 9204 §7.1.3)', () => {
  const encoder = encoderWith();
  encoder.setPeerLimits(4_096, 16);
  taken(encoder.instructions);
  const bytes = encode(encoder, 0, [
    ['authorization', 'Basic abc'],
    ['cookie', 'a=b'],
  ]);
  assert.equal(encoder.instructions.length, 0);
  assert.equal(bytes[2]! & 0xf0, 0x70, 'a literal that is never indexed');
});

describe('what no encoder may say is a connection error', () => {
  for (const [what, text] of [
    ['an empty section', ''],
    ['a section without its base', '00'],
    ['a Required Insert Count beyond the range', 'ff8002 00'],
    ['a base below 0', '0080'],
    ['a dynamic index without a Required Insert Count', '0000 80'],
    ['a post-base index without one', '0000 10'],
    ['a post-base name without one', '0000 00 01 61'],
    ['a dynamic name without one', '0000 40 01 61'],
    ['a static index that is not there', '0000 ff24'],
    ['a static name that is not there', '0000 5f54 01 61'],
    ['an integer without end', '0000 ffffffffffffffffffffff01'],
    ['an integer that is cut off', '0000 ff80'],
    ['a name that is cut off', '0000 23 61'],
    ['a value that is missing', '0000 21 61'],
    ['a value that is cut off', '0000 51 03 61'],
    ['Huffman code that ends in zeros', '0000 51 81 00'],
  ] as const) {
    test(what, () => assert.ok(failed(decoderWith(), text)));
  }

  test('an entry that was evicted', () => {
    const decoder = decoderWith({ tableBytesMax: 64 });
    assert.ok(decoder.receive(hex('3f21 4161 0162 4163 0164')), decoder.failure);
    // Two inserts of 34 bytes into 64: the first is gone.
    assert.ok(failed(decoder, '0300 81'));
  });

  test('an index that the Required Insert Count does not cover', () => {
    const decoder = decoderWith({ tableBytesMax: 128 });
    assert.ok(decoder.receive(hex('3f61 4161 0162 4163 0164')), decoder.failure);
    assert.ok(failed(decoder, '0201 80'));
  });

  for (const [what, text] of [
    ['a table above the setting', '3fe21f'],
    ['an insert before a capacity was set', '4161 0162'],
    ['an entry larger than the table', `3f01 41 61 3f ${'62'.repeat(63)}`],
    ['a string longer than the table could hold', '3f01 41 61 7fffff03'],
    ['a duplicate of nothing', '3fe11f 00'],
    ['an entry named after nothing', '3fe11f 80 01 61'],
    ['a static name that is not there', '3fe11f ff24 01 61'],
    ['an integer without end', '3fffffffffffffffffffffff'],
    ['wrong Huffman code', '3fe11f 41 61 81 00'],
  ] as const) {
    test(`encoder stream: ${what}, at every chunking`, () => {
      const bytes = hex(text);
      assert.ok(!decoderWith().receive(bytes), 'in one piece');
      const decoder = decoderWith();
      assert.ok([...bytes].some((byte) => !decoder.receive(Uint8Array.of(byte))));
    });
  }

  for (const [what, text] of [
    ['an acknowledgement of a section that refers to nothing', '80'],
    ['an acknowledgement of a stream that is not there', 'ff8001'],
    ['an increment of nothing', '00'],
    ['an increment beyond what was inserted', '02'],
    ['an integer without end', 'ffffffffffffffffffffffff'],
  ] as const) {
    test(`decoder stream: ${what}`, () => {
      const encoder = encoderWith();
      encoder.setPeerLimits(4_096, 0);
      encode(encoder, 0, [['x-a', 'b']]);
      assert.equal(encoder.insertCount, 1);
      assert.ok(!encoder.receive(hex(text)));
    });
  }

  test('more blocked streams than we have said', () => {
    const decoder = decoderWith({ blockedStreamsMax: 2 });
    const bytes = hex('0200 80');
    assert.equal(decoder.decode(0, bytes, 0, 3), SectionResult.BLOCKED);
    assert.equal(decoder.decode(4, bytes, 0, 3), SectionResult.BLOCKED);
    assert.equal(decoder.decode(4, bytes, 0, 3), SectionResult.BLOCKED, 'the same once more');
    assert.equal(decoder.decode(8, bytes, 0, 3), SectionResult.FAILED);
    decoder.cancel(4);
    assert.equal(decoder.decode(8, bytes, 0, 3), SectionResult.BLOCKED);
  });
});

test('a bomb of references stops at the limit of the section (GHSA-g754-hx8w-x2g6)', () => {
  const decoder = decoderWith();
  const insert = Buffer.concat([hex('3fe11f 4161 7fa11e'), Buffer.alloc(4_000, 'x')]);
  assert.ok(decoder.receive(insert), decoder.failure);
  // 60,000 bytes that would be 240 MB of text; what lies behind the limit is not even looked at.
  const bomb = Buffer.concat([hex('0200'), Buffer.alloc(60_000, 0x80), hex('3f')]);
  assert.equal(decoder.decode(0, bomb, 0, bomb.length), SectionResult.DONE);
  assert.ok(decoder.isTooLarge);
  assert.ok(decoder.fields.count <= 16);
  assert.ok(decoder.fields.size < 70_000);
});

test('no bytes make the decoder throw, hold more than its table, or decode beyond the limit', () => {
  const bytes = fc.uint8Array({ maxLength: 80 });
  const instruction = fc.oneof(
    bytes,
    fc.constantFrom(...['3fe11f', '4161 0162', '80 01 63', '00', 'c1 0161', '3f11'].map(hex)),
  );
  const run = fc.array(fc.tuple(instruction, bytes), { maxLength: 12 });
  fc.assert(
    fc.property(run, (pairs) => {
      const decoder = decoderWith({ tableBytesMax: 200, fieldSectionBytesMax: 300 });
      for (const [instructions, block] of pairs) {
        if (!decoder.receive(instructions)) return;
        const result = decoder.decode(0, block, 0, block.length);
        assert.ok(decoder.tableBytes <= 200);
        assert.ok(decoder.fields.count * 32 <= 300);
        if (result === SectionResult.FAILED) return;
      }
    }),
    { numRuns: 2_000 },
  );
});
