/**
 * Nanoseconds that HPACK takes for field sections as browsers and origins send them: once with all
 * fields known to the dynamic table, once with all of them literal and Huffman coded.
 *
 * Run: node bench/micro/hpack.ts
 */

import { FieldBlock } from '../../src/http/field-block.ts';
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts';
import { appendLiteral, HpackEncoder } from '../../src/http2/hpack-encoder.ts';

const ROUNDS = 300_000;

const sections: Record<string, readonly (readonly [string, string])[]> = {
  'browser request': [
    [':method', 'GET'],
    [':authority', 'www.example.com'],
    [':scheme', 'https'],
    [':path', '/assets/application-4f53cda18c2baa0c.js'],
    [
      'user-agent',
      'Mozilla/5.0 (X11; Linux x64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36',
    ],
    ['accept', '*/*'],
    ['sec-fetch-site', 'same-origin'],
    ['sec-fetch-mode', 'no-cors'],
    ['sec-fetch-dest', 'script'],
    ['referer', 'https://www.example.com/index.html'],
    ['accept-encoding', 'gzip, deflate, br, zstd'],
    ['accept-language', 'en-US,en;q=0.9'],
    ['cookie', 'session=6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b'],
    ['priority', 'u=2'],
  ],
  'origin response': [
    [':status', '200'],
    ['date', 'Sun, 22 Nov 2026 10:00:00 GMT'],
    ['server', 'origin'],
    ['content-type', 'text/html; charset=utf-8'],
    ['cache-control', 'public, max-age=3600'],
    ['etag', '"33a64df551425fcc55e4d42a148795d9f25f89d4"'],
    ['last-modified', 'Sat, 21 Nov 2026 09:30:00 GMT'],
    ['vary', 'accept-encoding'],
    ['strict-transport-security', 'max-age=31536000; includeSubDomains'],
    ['x-content-type-options', 'nosniff'],
  ],
};

function measure(name: string, work: () => void): void {
  for (let i = 0; i < ROUNDS / 10; i++) work();
  const startMs = performance.now();
  for (let i = 0; i < ROUNDS; i++) work();
  const perRound = ((performance.now() - startMs) * 1e6) / ROUNDS;
  console.log(`${name.padEnd(44)} ${Math.round(perRound)} ns`);
}

for (const [name, lines] of Object.entries(sections)) {
  const encoder = new HpackEncoder(new FieldBlock(), 4_096);
  const encode = (): void => {
    encoder.begin();
    for (const [fieldName, value] of lines) encoder.field(fieldName, value);
  };
  const block = (): Uint8Array => {
    encode();
    return encoder.block.bytes.slice(0, encoder.block.length);
  };
  const literal = new FieldBlock();
  for (const [fieldName, value] of lines) appendLiteral(literal, fieldName, value);
  const literals = literal.bytes.slice(0, literal.length);
  const [first, again] = [block(), block()];
  const decoder = new HpackDecoder({ fieldSectionBytesMax: 65_536, tableBytesMax: 4_096 });
  if (!decoder.decode(first, 0, first.length)) throw new Error(decoder.failure);

  console.log(`${name}: ${lines.length} lines; ${again.length} bytes, literal ${literals.length}`);
  measure('  encode, indexed', encode);
  measure('  encode, literal', () => {
    literal.length = 0;
    for (const [fieldName, value] of lines) appendLiteral(literal, fieldName, value);
  });
  measure('  decode, indexed', () => void decoder.decode(again, 0, again.length));
  measure('  decode, literal', () => void decoder.decode(literals, 0, literals.length));
}
