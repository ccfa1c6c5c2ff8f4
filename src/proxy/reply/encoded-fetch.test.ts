import assert from 'node:assert/strict';
import test from 'node:test';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { SluiceError } from '../../base/errors.ts';
import { configuredAuthority } from '../../http/authority.ts';
import { FieldSection } from '../../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../../http/message.ts';
import { Compression } from '../../routing/compression.ts';
import type { ContentCoding } from '../../routing/route.ts';
import type { FetchHandler } from '../fetch.ts';
import { EncodedFetch, type OriginFetch } from './encoded-fetch.ts';

class StubFetch implements OriginFetch {
  handler: FetchHandler | null = null;
  isPaused = false;
  isCancelled = false;
  isOver = false;
  start(): void {}
  handOver(): void {}
  sendEnd(): void {}
  sendContent(): boolean {
    return true;
  }
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
  cancel(): void {
    this.isCancelled = true;
  }
}

/** A response on its way through, and what came out of it. */
class Passage implements FetchHandler {
  readonly inner = new StubFetch();
  readonly fetch: EncodedFetch;
  readonly chunks: Buffer[] = [];
  readonly ended = Promise.withResolvers<FieldSection | null>();
  head: ResponseHead | null = null;
  pausesAtOnce = false;

  constructor(coding: ContentCoding, method = 'GET') {
    const types = ['text/*'];
    const compression = new Compression({ encodings: [coding], minBytes: 10, types });
    const common = {
      version: '1.1',
      scheme: 'http',
      authority: configuredAuthority('a'),
      path: '/',
    } as const;
    const fields = FieldSection.of(['accept-encoding', coding]);
    const rest = { contentLength: 0, expectContinue: false, upgrade: '' };
    const head: RequestHead = { ...common, ...rest, method, fields };
    const fetch = (handler: FetchHandler) => {
      this.inner.handler = handler;
      return this.inner;
    };
    this.fetch = new EncodedFetch({ compression, head, stored: undefined, fetch }, this);
  }

  begin(contentLength: number, type = 'text/plain'): void {
    const fields = FieldSection.of(['content-type', type]);
    this.inner.handler!.onHead({ status: 200, fields, contentLength });
  }

  get received(): Buffer {
    return Buffer.concat(this.chunks);
  }

  onHead(head: ResponseHead): void {
    this.head = head;
  }
  onContent(bytes: Uint8Array): void {
    this.chunks.push(Buffer.from(bytes));
    if (this.pausesAtOnce) this.fetch.pause();
  }
  onEnd(trailers: FieldSection | null): void {
    this.ended.resolve(trailers);
  }
  onError(error: SluiceError): void {
    this.ended.reject(error);
  }
  onRequestStarted(): void {}
  onRequestRestart(): void {}
  onInformational(): void {}
  onUpgrade(): void {}
  onWritable(): void {}
}

const decoders = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync };

for (const coding of ['gzip', 'br', 'zstd'] as const) {
  test(`content comes out as ${coding}, though its bytes are overwritten after each call`, async () => {
    const passage = new Passage(coding);
    passage.begin(30_000);
    const buffer = Buffer.alloc(10_000);
    for (const letter of 'abc') {
      passage.inner.handler!.onContent(buffer.fill(letter));
      buffer.fill(0);
    }
    passage.inner.handler!.onEnd(null);
    await passage.ended.promise;
    assert.equal(passage.head?.fields.first('content-encoding'), coding);
    const expected = Buffer.from('a'.repeat(10_000) + 'b'.repeat(10_000) + 'c'.repeat(10_000));
    assert.deepEqual(decoders[coding](passage.received), expected);
    assert.ok(passage.fetch.isOver);
  });

  test(`what a slow origin has sent is in the client’s hands before the end (${coding})`, async () => {
    const passage = new Passage(coding);
    passage.begin(-1);
    passage.inner.handler!.onContent(Buffer.from('so far and no further, for now'));
    // Enough for a decoder to show it: the flush after a pause of the origin.
    while (passage.received.length < 20) await new Promise((done) => setTimeout(done, 5));
    passage.inner.handler!.onContent(Buffer.from('; and the rest'));
    passage.inner.handler!.onEnd(null);
    await passage.ended.promise;
    const text = decoders[coding](passage.received).toString();
    assert.equal(text, 'so far and no further, for now; and the rest');
  });
}

test('a client that takes nothing stops the origin, and gets everything in the end', async () => {
  const passage = new Passage('gzip');
  passage.begin(-1);
  passage.pausesAtOnce = true;
  let written = 0;
  const noise = Buffer.alloc(16_384);
  while (!passage.inner.isPaused || written < 10) {
    assert.ok(written < 1_000, 'the origin is never stopped');
    crypto.getRandomValues(noise);
    passage.inner.handler!.onContent(noise);
    written++;
    await new Promise(setImmediate);
  }
  passage.pausesAtOnce = false;
  passage.fetch.resume();
  passage.inner.handler!.onEnd(FieldSection.of(['content-digest', 'x'], ['x-sum', '1']));
  const trailers = await passage.ended.promise;
  assert.equal(gunzipSync(passage.received).length, written * noise.length);
  assert.deepEqual(trailers?.names, ['x-sum']);
});

test('a client that goes takes the origin’s request with it, and nothing comes after', async () => {
  const passage = new Passage('br');
  passage.begin(-1);
  passage.inner.handler!.onContent(Buffer.alloc(100_000, 'x'));
  passage.fetch.cancel();
  assert.ok(passage.inner.isCancelled);
  const before = passage.chunks.length;
  await new Promise((done) => setTimeout(done, 60));
  assert.equal(passage.chunks.length, before);
});

test('a response that breaks off breaks off here too', async () => {
  const passage = new Passage('gzip');
  passage.begin(-1);
  passage.inner.handler!.onContent(Buffer.from('half of what was to be sent'));
  passage.inner.handler!.onError(new SluiceError('response-incomplete', '', { blame: 'upstream' }));
  await assert.rejects(passage.ended.promise, { code: 'response-incomplete' });
});

test('HEAD gets the fields of GET and no compressor', () => {
  const passage = new Passage('gzip', 'HEAD');
  passage.begin(5_000);
  passage.inner.handler!.onEnd(null);
  assert.equal(passage.head?.fields.first('content-encoding'), 'gzip');
  assert.equal(passage.head?.contentLength, -1);
  assert.ok(passage.fetch.isOver);
});
