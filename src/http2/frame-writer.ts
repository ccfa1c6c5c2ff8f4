/**
 * Collects the frames that a connection sends, so that many streams' frames leave in one write. The
 * buffer is the connection's own from the first frame to the flush; between flushes an idle
 * connection holds none.
 */
import { assert } from '../base/assert.ts';
import type { SluiceError } from '../base/errors.ts';
import type { SendQueue } from '../http/send-queue.ts';
import { OUTPUT_BUFFER_BYTES, OUTPUT_BUFFERS_KEPT_MAX } from './limits.ts';
import { Flag, FRAME_HEADER_BYTES, FRAME_SIZE_MIN, FrameType } from './protocol.ts';

/** What a connection needs of whoever carries its bytes. Nothing here may call back at once. */
export interface Http2Output {
  /**
   * Takes the bytes before it returns. False: more than enough waits to be sent; `onWritable` must
   * follow when it has gone. The connection may write a little more meanwhile.
   */
  write(bytes: Uint8Array): boolean;
  /** Closes in order once everything written has gone. */
  end(): void;
  /** Closes at once. */
  reset(error: SluiceError): void;
  pauseReading(): void;
  resumeReading(): void;
  /**
   * Frames were added outside `receive`: call the connection's `flush` before the turn ends. When
   * absent, they are written at once.
   */
  requestFlush?(): void;
  /**
   * Calls back a moment later: what is written then must not leave together with what was written
   * before. When absent, it is done at once.
   */
  requestLater?(body: () => void): void;
}

const spareBuffers: Uint8Array[] = [];
const NOTHING = new Uint8Array(0);

export class FrameWriter {
  readonly #output: Http2Output;
  #bytes: Uint8Array = NOTHING;
  #length = 0;
  /** The frame that may yet be given END_STREAM: the last one, when it was HEADERS or DATA. */
  #lastStreamId = 0;
  #lastOffset = 0;
  /** The output has said stop. */
  isBlocked = false;
  /** Bytes handed to the output since it said stop. */
  blockedBytes = 0;
  /** DATA frames written, for the peer's budget of WINDOW_UPDATE frames. */
  dataFrames = 0;

  constructor(output: Http2Output) {
    this.#output = output;
  }

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** Hands everything to the output. */
  flush(): void {
    if (this.#length === 0) return;
    const bytes = this.#bytes;
    const length = this.#length;
    this.#bytes = NOTHING;
    this.#length = 0;
    this.#lastStreamId = 0;
    if (this.isBlocked) this.blockedBytes += length;
    if (!this.#output.write(bytes.subarray(0, length))) this.isBlocked = true;
    if (spareBuffers.length < OUTPUT_BUFFERS_KEPT_MAX) spareBuffers.push(bytes);
  }

  /** Bytes of the preface, as they are. */
  raw(bytes: Uint8Array): void {
    const offset = this.#reserve(bytes.length);
    this.#bytes.set(bytes, offset);
    this.#length += bytes.length;
  }

  /** `pairs`: identifiers and values in turn. */
  settings(pairs: readonly number[]): void {
    let offset = this.#frame(pairs.length * 3, FrameType.SETTINGS, 0, 0);
    for (let i = 0; i < pairs.length; i += 2) {
      this.#bytes[offset] = pairs[i]! >>> 8;
      this.#bytes[offset + 1] = pairs[i]!;
      this.#uint32(offset + 2, pairs[i + 1]!);
      offset += 6;
    }
  }

  settingsAck(): void {
    this.#frame(0, FrameType.SETTINGS, Flag.ACK, 0);
  }

  /** Eight bytes from `start`. */
  ping(opaque: Uint8Array, start: number, ack: boolean): void {
    const offset = this.#frame(8, FrameType.PING, ack ? Flag.ACK : 0, 0);
    for (let i = 0; i < 8; i++) this.#bytes[offset + i] = opaque[start + i]!;
  }

  windowUpdate(streamId: number, increment: number): void {
    const offset = this.#frame(4, FrameType.WINDOW_UPDATE, 0, streamId);
    this.#uint32(offset, increment);
  }

  rstStream(streamId: number, errorCode: number): void {
    const offset = this.#frame(4, FrameType.RST_STREAM, 0, streamId);
    this.#uint32(offset, errorCode);
  }

  goaway(lastStreamId: number, errorCode: number, debug: string): void {
    const offset = this.#frame(8 + debug.length, FrameType.GOAWAY, 0, 0);
    this.#uint32(offset, lastStreamId);
    this.#uint32(offset + 4, errorCode);
    for (let i = 0; i < debug.length; i++) this.#bytes[offset + 8 + i] = debug.charCodeAt(i);
  }

  /** A field block as HEADERS and, where it is long, CONTINUATION frames (RFC 9113 §4.3). */
  headers(streamId: number, block: Uint8Array, length: number, endStream: boolean): void {
    const first = Math.min(length, FRAME_SIZE_MIN);
    const flags = (endStream ? Flag.END_STREAM : 0) | (first === length ? Flag.END_HEADERS : 0);
    let offset = this.#frame(first, FrameType.HEADERS, flags, streamId);
    this.#bytes.set(block.subarray(0, first), offset);
    const headersOffset = offset - FRAME_HEADER_BYTES;
    let sent = first;
    while (sent < length) {
      const count = Math.min(length - sent, FRAME_SIZE_MIN);
      const last = sent + count === length;
      offset = this.#frame(count, FrameType.CONTINUATION, last ? Flag.END_HEADERS : 0, streamId);
      this.#bytes.set(block.subarray(sent, sent + count), offset);
      sent += count;
    }
    // A flush in between has sent the HEADERS frame: it cannot be changed any more.
    if (first < length) return;
    this.#lastStreamId = streamId;
    this.#lastOffset = headersOffset;
  }

  /** One DATA frame with all of `bytes`, at most FRAME_SIZE_MIN bytes. */
  data(streamId: number, bytes: Uint8Array, endStream: boolean): void {
    const offset = this.#dataFrame(streamId, bytes.length, endStream);
    this.#bytes.set(bytes, offset);
  }

  /** One DATA frame with the first `length` bytes of the queue, which are removed. */
  dataFrom(streamId: number, queue: SendQueue, length: number, endStream: boolean): void {
    const offset = this.#dataFrame(streamId, length, endStream);
    queue.moveTo(this.#bytes, offset, length);
  }

  /**
   * A complete response: HEADERS from the prepared block with `extra` appended, and DATA with
   * END_STREAM unless `content` is empty. All of it fits in one frame each; the caller sees to that.
   */
  storedResponse(
    streamId: number,
    block: Uint8Array,
    extra: Uint8Array,
    extraLength: number,
    content: Uint8Array,
  ): void {
    const blockLength = block.length + extraLength;
    const contentLength = content.length;
    const frames = contentLength === 0 ? 1 : 2;
    const total = blockLength + contentLength + frames * FRAME_HEADER_BYTES;
    const start = this.#reserve(total);
    const bytes = this.#bytes;
    const endStream = contentLength === 0 ? Flag.END_STREAM : 0;
    writeHeader(
      bytes,
      start,
      blockLength,
      FrameType.HEADERS,
      Flag.END_HEADERS | endStream,
      streamId,
    );
    let offset = start + FRAME_HEADER_BYTES;
    bytes.set(block, offset);
    offset += block.length;
    for (let i = 0; i < extraLength; i++) bytes[offset + i] = extra[i]!;
    offset += extraLength;
    if (contentLength > 0) {
      writeHeader(bytes, offset, contentLength, FrameType.DATA, Flag.END_STREAM, streamId);
      bytes.set(content, offset + FRAME_HEADER_BYTES);
      this.dataFrames++;
    }
    this.#length = start + total;
    this.#lastStreamId = 0;
  }

  /**
   * Adds END_STREAM to the stream's last frame when that is the last frame of all and has not left:
   * saves an empty DATA frame. False when it is too late.
   */
  endLastFrame(streamId: number): boolean {
    if (this.#lastStreamId !== streamId) return false;
    this.#bytes[this.#lastOffset + 4]! |= Flag.END_STREAM;
    this.#lastStreamId = 0;
    return true;
  }

  #dataFrame(streamId: number, length: number, endStream: boolean): number {
    const flags = endStream ? Flag.END_STREAM : 0;
    const offset = this.#frame(length, FrameType.DATA, flags, streamId);
    this.#lastStreamId = streamId;
    this.#lastOffset = offset - FRAME_HEADER_BYTES;
    this.dataFrames++;
    return offset;
  }

  /** Writes a frame's header, makes room for its payload, and returns the payload's offset. */
  #frame(length: number, type: number, flags: number, streamId: number): number {
    const offset = this.#reserve(FRAME_HEADER_BYTES + length);
    writeHeader(this.#bytes, offset, length, type, flags, streamId);
    this.#length = offset + FRAME_HEADER_BYTES + length;
    this.#lastStreamId = 0;
    return offset + FRAME_HEADER_BYTES;
  }

  #reserve(count: number): number {
    assert(count <= OUTPUT_BUFFER_BYTES, 'a frame fits in the output buffer');
    if (this.#length + count > OUTPUT_BUFFER_BYTES) this.flush();
    if (this.#length === 0 && this.#bytes.length === 0) {
      this.#bytes = spareBuffers.pop() ?? new Uint8Array(OUTPUT_BUFFER_BYTES);
    }
    return this.#length;
  }

  #uint32(offset: number, value: number): void {
    this.#bytes[offset] = value >>> 24;
    this.#bytes[offset + 1] = value >>> 16;
    this.#bytes[offset + 2] = value >>> 8;
    this.#bytes[offset + 3] = value;
  }
}

function writeHeader(
  bytes: Uint8Array,
  offset: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  bytes[offset] = length >>> 16;
  bytes[offset + 1] = length >>> 8;
  bytes[offset + 2] = length;
  bytes[offset + 3] = type;
  bytes[offset + 4] = flags;
  bytes[offset + 5] = streamId >>> 24;
  bytes[offset + 6] = streamId >>> 16;
  bytes[offset + 7] = streamId >>> 8;
  bytes[offset + 8] = streamId;
}
