/** What clients do to a server that answers each request when it is whole: see script.ts. */
import { echo, prepared, type RecordedRequest } from '../../http2/server-under-test.ts';
import { CONTROL, DECODER, ENCODER, Http3UnderTest } from '../../http3/server-under-test.ts';
import { type Feed, playVectors } from '../play.ts';
import type { Vector } from '../vector-file.ts';
import { KIND, RECORD_HEADER_BYTES, scriptOf } from './script.ts';

/** Whole requests are answered with their content, or 5 bytes; CONNECT gets a tunnel at once. */
function answer(request: RecordedRequest): void {
  const { method } = request.head;
  if (method === 'CONNECT') {
    request.sender.upgrade(200, request.head.fields.clone());
    request.onPart = (bytes) => request.sender.sendContent(bytes);
    request.onAll = () => request.sender.sendEnd(null);
    return;
  }
  echo(request);
  const echoAll = request.onAll;
  request.onAll = () => {
    if (request.content.length > 0) echoAll();
    else request.sender.sendStored(prepared('hello'));
  };
}

/** Plays records as their bytes come: a cut inside a record cuts what its stream brings. */
class Demultiplexer {
  readonly #test: Http3UnderTest;
  #header = Buffer.alloc(0);
  #left = -1;
  #id = 0;
  #kind = 0;
  #code = 0;

  constructor(test: Http3UnderTest) {
    this.#test = test;
  }

  push(bytes: Uint8Array): void {
    let rest = Buffer.from(bytes);
    while (rest.length > 0) {
      if (this.#left < 0) {
        const missing = RECORD_HEADER_BYTES - this.#header.length;
        this.#header = Buffer.concat([this.#header, rest.subarray(0, missing)]);
        rest = rest.subarray(missing);
        if (this.#header.length < RECORD_HEADER_BYTES) return;
        this.#begin();
        continue;
      }
      const piece = rest.subarray(0, this.#left);
      rest = rest.subarray(piece.length);
      this.#left -= piece.length;
      this.#play(piece);
    }
  }

  #begin(): void {
    this.#id = this.#header.readUInt32BE(0);
    this.#kind = this.#header.readUInt8(4);
    this.#left = this.#header.readUInt32BE(5);
    this.#header = Buffer.alloc(0);
    this.#code = 0;
    if (this.#left === 0) this.#play(Buffer.alloc(0));
  }

  #play(piece: Buffer): void {
    const isLast = this.#left === 0;
    if (isLast) this.#left = -1;
    if (this.#test.quic.closed !== null) return;
    const stream = this.#test.stream(this.#id);
    if (this.#kind <= KIND.FIN) stream.deliver(piece, isLast && this.#kind === KIND.FIN);
    else {
      for (const byte of piece) this.#code = this.#code * 256 + byte;
      if (isLast && this.#kind === KIND.RESET) stream.resetByPeer(this.#code);
      else if (isLast) stream.stopByPeer(this.#code);
    }
    this.#test.quic.settle();
  }
}

/**
 * Option: `bare`: nothing has been sent before; else the client's settings, and the types of QPACK's
 * streams, have. `table=N`: bytes of the table that the server lets the client use.
 */
function record(vector: Vector, feed: Feed): readonly string[] {
  const limits = { streamsConcurrentMax: 3, fieldBlockBytesMax: 8_192 };
  const test = new Http3UnderTest({ onRequest: answer, limits });
  if (!vector.options.has('bare')) test.control(Buffer.from([0]), Buffer.from([4, 0]));
  const demultiplexer = new Demultiplexer(test);
  feed((bytes) => demultiplexer.push(bytes));
  const events: string[] = [];
  for (const id of [...test.quic.streams.keys()].sort((a, b) => a - b)) {
    const isQuiet = [CONTROL, ENCODER, DECODER].includes(id);
    for (const line of test.told(id)) if (!isQuiet || line !== 'FIN') events.push(`${id} ${line}`);
  }
  return test.ending === '' ? events : [...events, `close ${test.ending}`];
}

playVectors({ folder: import.meta.dirname, encode: scriptOf, record });
