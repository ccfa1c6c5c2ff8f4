/**
 * Frames on streams (RFC 9113 §6.1, §6.2, §6.4, §6.9, §6.10): which of them the state of their stream
 * allows, and what becomes of the others. Control frames are control-frames.ts's.
 */
import type { Retry } from '../base/errors.ts';
import type { AbuseBudgets } from '../http/abuse-budgets.ts';
import { hasLengthFault } from '../http/content-length.ts';
import { uint31, uint32 } from './bytes.ts';
import { BlockResult, FieldBlockReader } from './field-block-reader.ts';
import type { FrameConnection, RoleHandler } from './frame-connection.ts';
import { type AbuseKind, FIELD_SECTION_ABUSE_FACTOR } from './limits.ts';
import { ErrorCode, errorCodeName, Flag, FrameType } from './protocol.ts';
import { http2Error } from './protocol-error.ts';
import type { Stream } from './stream.ts';
import { Reception, receptionOf, StreamState } from './stream-state.ts';

/** Each method answers whether the connection goes on. */
export class StreamFrames {
  readonly #connection: FrameConnection;
  readonly #role: RoleHandler;
  readonly #budgets: AbuseBudgets<AbuseKind>;
  readonly #blocks: FieldBlockReader;
  #creditedDataFrames = 0;

  constructor(connection: FrameConnection, handler: RoleHandler, budgets: AbuseBudgets<AbuseKind>) {
    this.#connection = connection;
    this.#role = handler;
    this.#budgets = budgets;
    this.#blocks = new FieldBlockReader(connection.limits);
  }

  /** Of the stream whose field block has begun and not ended; 0 when there is none. */
  get openBlockStreamId(): number {
    return this.#blocks.openStreamId;
  }

  /** RFC 9113 §6.2. */
  onHeaders(
    flags: number,
    streamId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    early: boolean,
  ): boolean {
    if (streamId === 0) {
      return this.#connection.fail(ErrorCode.PROTOCOL_ERROR, 'HEADERS on stream 0');
    }
    const result = this.#blocks.onHeaders(flags, streamId, bytes, start, end, early);
    return this.#onBlockResult(result, streamId);
  }

  /** RFC 9113 §6.10. */
  onContinuation(
    flags: number,
    streamId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    const result = this.#blocks.onContinuation(flags, streamId, bytes, start, end);
    return this.#onBlockResult(result, streamId);
  }

  /** What came of a HEADERS or CONTINUATION frame. */
  #onBlockResult(result: number, streamId: number): boolean {
    const connection = this.#connection;
    switch (result) {
      case BlockResult.COMPLETE:
        return this.#onFieldBlock(streamId);
      case BlockResult.INCOMPLETE:
        return true;
      case BlockResult.WRONG_LENGTH:
        return connection.wrongLength('HEADERS');
      case BlockResult.TOO_MUCH_PADDING:
        return connection.fail(ErrorCode.PROTOCOL_ERROR, 'HEADERS with too much padding');
      case BlockResult.OUT_OF_ORDER:
        return connection.fail(ErrorCode.PROTOCOL_ERROR, 'CONTINUATION without its HEADERS');
      default:
        return connection.abuse('continuation');
    }
  }

  #onFieldBlock(streamId: number): boolean {
    const connection = this.#connection;
    const stream = connection.streams.get(streamId);
    const state = stream === undefined ? this.#stateWithoutStream(streamId) : stream.state;
    const reception = receptionOf(state, FrameType.HEADERS);
    if (reception >= Reception.CONNECTION_ERROR_STREAM_CLOSED) {
      return this.#failReception(reception, 'HEADERS', state);
    }
    // Decoded in any case: the peer's and our dynamic tables must stay in step (RFC 9113 §4.3).
    const { decoder } = connection;
    const blocks = this.#blocks;
    if (!decoder.decode(blocks.bytes, blocks.start, blocks.end)) {
      return connection.fail(ErrorCode.COMPRESSION_ERROR, decoder.failure);
    }
    blocks.release();
    if (decoder.fields.size > connection.limits.fieldSectionBytesMax * FIELD_SECTION_ABUSE_FACTOR) {
      return connection.abuse('field-section-size');
    }
    if (reception === Reception.STREAM_ERROR_STREAM_CLOSED) {
      connection.streamError(
        streamId,
        ErrorCode.STREAM_CLOSED,
        'HEADERS after the end of the stream',
      );
    } else if (reception === Reception.IGNORE) {
      return connection.spend('stream-errors');
    } else if (stream === undefined) {
      return this.#onNewStream(streamId);
    } else if (blocks.dependsOnItself) {
      connection.streamError(streamId, ErrorCode.PROTOCOL_ERROR, 'a stream that depends on itself');
    } else this.#role.onFieldSection(stream, blocks.endStream);
    return !connection.isClosed;
  }

  /** RFC 9113 §5.1.1 and §5.1.2. */
  #onNewStream(streamId: number): boolean {
    const connection = this.#connection;
    if (connection.role === 'client' || (streamId & 1) === 0) {
      return connection.fail(
        ErrorCode.PROTOCOL_ERROR,
        'HEADERS on a stream that the peer cannot open',
      );
    }
    connection.lastStreamId = streamId;
    if (streamId > connection.goawayLimit) {
      connection.streams.recordClosed(streamId, StreamState.CLOSED_BY_OUR_RESET);
      return true;
    }
    if (connection.streams.size >= connection.limits.streamsConcurrentMax) {
      connection.refuseStream(streamId, ErrorCode.REFUSED_STREAM);
      // A peer that has not seen our settings yet cannot know better.
      return !connection.hasSettingsAck || connection.spend('stream-errors');
    }
    const { dependsOnItself, endStream, early } = this.#blocks;
    if (dependsOnItself) {
      connection.streamError(streamId, ErrorCode.PROTOCOL_ERROR, 'a stream that depends on itself');
    } else this.#role.onOpen(streamId, endStream, early);
    return !connection.isClosed;
  }

  /** RFC 9113 §6.1. */
  onData(flags: number, streamId: number, bytes: Uint8Array, start: number, end: number): boolean {
    const connection = this.#connection;
    if (streamId === 0) return connection.fail(ErrorCode.PROTOCOL_ERROR, 'DATA on stream 0');
    const length = end - start;
    if (!connection.receiver.admit(length)) {
      return connection.fail(ErrorCode.FLOW_CONTROL_ERROR, 'DATA beyond the connection window');
    }
    let padding = 0;
    if ((flags & Flag.PADDED) !== 0) {
      if (length === 0) return connection.wrongLength('DATA');
      padding = bytes[start]! + 1;
      if (padding > length) {
        return connection.fail(ErrorCode.PROTOCOL_ERROR, 'DATA with too much padding');
      }
      start++;
      end -= padding - 1;
    }
    const stream = connection.streams.get(streamId);
    const state = stream === undefined ? this.#stateWithoutStream(streamId) : stream.state;
    const reception = receptionOf(state, FrameType.DATA);
    if (stream === undefined || reception !== Reception.PROCESS) {
      return this.#onUnwantedData(streamId, reception, state, length);
    }
    const endStream = (flags & Flag.END_STREAM) !== 0;
    if (start === end && !endStream && !connection.spend('empty-frames')) return false;
    stream.receiveWindow -= length;
    if (stream.receiveWindow + stream.excessAllowed < 0) {
      connection.receiver.release(length);
      connection.streamError(
        streamId,
        ErrorCode.FLOW_CONTROL_ERROR,
        'DATA beyond the stream window',
      );
      return !connection.isClosed;
    }
    stream.receivedBytes += end - start;
    // Before anything is handed on: what is too much must not reach the next recipient.
    if (!stream.hasHead || hasLengthFault(stream, endStream)) {
      const message = stream.hasHead ? 'content of a length not announced' : 'DATA before HEADERS';
      connection.receiver.release(length);
      connection.streamError(streamId, ErrorCode.PROTOCOL_ERROR, message);
      return !connection.isClosed;
    }
    connection.receiver.content(stream, bytes, start, end, padding);
    if (endStream && !stream.isClosed) connection.remoteEnd(stream, null);
    return !connection.isClosed;
  }

  #onUnwantedData(streamId: number, reception: number, state: number, length: number): boolean {
    const connection = this.#connection;
    if (reception >= Reception.CONNECTION_ERROR_STREAM_CLOSED) {
      return this.#failReception(reception, 'DATA', state);
    }
    connection.receiver.release(length);
    if (reception === Reception.IGNORE) return length > 0 || connection.spend('empty-frames');
    connection.streamError(streamId, ErrorCode.STREAM_CLOSED, 'DATA after the end of the stream');
    return !connection.isClosed;
  }

  /** RFC 9113 §6.9. */
  onWindowUpdate(streamId: number, bytes: Uint8Array, start: number, end: number): boolean {
    const connection = this.#connection;
    if (end - start !== 4) return connection.wrongLength('WINDOW_UPDATE');
    const { dataFrames } = connection.writer;
    this.#budgets.credit('window-update', (dataFrames - this.#creditedDataFrames) * 2);
    this.#creditedDataFrames = dataFrames;
    if (!connection.spend('window-update')) return false;
    const increment = uint31(bytes, start);
    if (streamId === 0) {
      if (increment === 0) return connection.fail(ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
      if (connection.sender.growWindow(increment)) return true;
      return connection.fail(ErrorCode.FLOW_CONTROL_ERROR, 'the connection window overflows');
    }
    const stream = connection.streams.get(streamId);
    if (stream === undefined) {
      const state = this.#stateWithoutStream(streamId);
      const reception = receptionOf(state, FrameType.WINDOW_UPDATE);
      if (reception === Reception.IGNORE) return true;
      return this.#failReception(reception, 'WINDOW_UPDATE', state);
    }
    if (increment === 0) {
      connection.streamError(streamId, ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
    } else if (!connection.sender.growStreamWindow(stream, increment)) {
      connection.streamError(streamId, ErrorCode.FLOW_CONTROL_ERROR, 'the stream window overflows');
    }
    return !connection.isClosed;
  }

  /** RFC 9113 §6.4. */
  onRstStream(streamId: number, bytes: Uint8Array, start: number, end: number): boolean {
    const connection = this.#connection;
    if (end - start !== 4) return connection.wrongLength('RST_STREAM');
    const stream = connection.streams.get(streamId);
    if (stream === undefined) {
      const state = this.#stateWithoutStream(streamId);
      const reception = receptionOf(state, FrameType.RST_STREAM);
      if (reception === Reception.IGNORE) return connection.spend('rapid-reset');
      return this.#failReception(reception, 'RST_STREAM', state);
    }
    this.#onPeerReset(stream, uint32(bytes, start));
    return connection.role === 'client' || connection.spend('rapid-reset');
  }

  #onPeerReset(stream: Stream, errorCode: number): void {
    const connection = this.#connection;
    if (connection.role === 'client' && (stream.isRemoteEnded || isWhole(stream, errorCode))) {
      // RFC 9113 §8.1: the response is complete and must be used; the request was not needed whole.
      connection.sender.drop(stream);
      connection.closeStream(stream, StreamState.CLOSED_BY_END, null);
      if (!stream.isRemoteEnded) connection.receiver.end(stream, null);
      return;
    }
    const error = http2Error(
      errorCode,
      `the peer reset the stream: ${errorCodeName(errorCode)}`,
      connection.peerBlame(),
      retryAfterReset(errorCode),
    );
    connection.closeStream(stream, StreamState.CLOSED_BY_PEER_RESET, error);
  }

  #stateWithoutStream(streamId: number): number {
    // Even identifiers are the server's, for pushes, which nobody makes here.
    if ((streamId & 1) === 0 || streamId > this.#connection.lastStreamId) return StreamState.IDLE;
    return this.#connection.streams.closedState(streamId);
  }

  #failReception(reception: number, frame: string, state: number): false {
    const isStreamClosed = reception === Reception.CONNECTION_ERROR_STREAM_CLOSED;
    const kind = state === StreamState.IDLE ? 'an idle' : 'a closed';
    return this.#connection.fail(
      isStreamClosed ? ErrorCode.STREAM_CLOSED : ErrorCode.PROTOCOL_ERROR,
      `${frame} on ${kind} stream`,
    );
  }
}

/**
 * Whether all that a response has announced has come when its stream ends without an error and
 * without END_STREAM: servers do that (Node's). Content-Length says where a message ends as well
 * (RFC 9113 §8.1.1, RFC 9110 §8.6).
 */
function isWhole(stream: Stream, errorCode: number): boolean {
  const { hasHead, expectedBytes, receivedBytes } = stream;
  return errorCode === ErrorCode.NO_ERROR && hasHead && receivedBytes === expectedBytes;
}

/**
 * RFC 9113 §8.7: a refused stream was not processed. ENHANCE_YOUR_CALM on a stream speaks of what its
 * connection asks for in all (Node resets so when it holds too much); on another there may be room.
 */
function retryAfterReset(errorCode: number): Retry {
  if (errorCode === ErrorCode.REFUSED_STREAM) return 'always';
  return errorCode === ErrorCode.ENHANCE_YOUR_CALM ? 'ifReused' : 'never';
}
