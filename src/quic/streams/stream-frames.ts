/** Writes the frames of streams into packets, and learns what became of them. */
import { addSentFrame, type SentFrame, type SentPacket } from '../recovery/sent-packet.ts';
import { QuicFrameType } from '../wire/frame-types.ts';
import {
  streamOverhead,
  writeNumbers,
  writeResetStream,
  writeStreamHead,
} from '../wire/frame-writer.ts';
import type { WireWriter } from '../wire/varint.ts';
import type { SendPiece } from './send-buffer.ts';
import type { TransportStreamTable } from './stream-table.ts';
import type { TransportStream } from './transport-stream.ts';

/** A STREAM frame with less content than this is not begun at a packet's end. */
const CONTENT_BYTES_MIN = 32;

/** When a limit is told: windows grow by it. */
export interface SendTime {
  readonly nowMs: number;
  readonly roundTripMs: number;
}

export class StreamFrameWriter {
  readonly #table: TransportStreamTable;
  readonly #piece: SendPiece = { offset: 0, length: 0, isFin: false, isNew: false };
  /** Streams that sent something, whose writers may wait. */
  readonly #touched = new Set<TransportStream>();

  constructor(table: TransportStreamTable) {
    this.#table = table;
  }

  /** Whether `write` would write something into an empty packet. */
  get hasFrames(): boolean {
    const table = this.#table;
    return (
      table.control.length > 0 ||
      table.wantsWindow ||
      table.wantsStreams.bidirectional ||
      table.wantsStreams.unidirectional ||
      table.nextToSend() !== undefined
    );
  }

  /** Tells writers that wait that there is room. */
  tellWritable(): void {
    this.#table.tellWritable(this.#touched);
  }

  write(writer: WireWriter, packet: SentPacket, time: SendTime): void {
    this.#writeLimits(writer, packet, time);
    this.#writeControl(writer, packet, time);
    while (this.#writeContent(writer, packet));
  }

  #writeLimits(writer: WireWriter, packet: SentPacket, time: SendTime): void {
    const table = this.#table;
    if (table.wantsWindow && writer.left >= FRAME_BYTES_MAX) {
      table.wantsWindow = false;
      const limit = table.window.update(time.nowMs, time.roundTripMs);
      writeNumbers(writer, QuicFrameType.maxData, limit);
      addSentFrame(packet, QuicFrameType.maxData, 0);
    }
    for (const kind of ['bidirectional', 'unidirectional'] as const) {
      if (!table.wantsStreams[kind] || writer.left < FRAME_BYTES_MAX) continue;
      table.wantsStreams[kind] = false;
      const type =
        kind === 'bidirectional'
          ? QuicFrameType.maxStreamsBidirectional
          : QuicFrameType.maxStreamsUnidirectional;
      writeNumbers(writer, type, table.takeStreamsLimit(kind));
      addSentFrame(packet, type, 0);
    }
  }

  #writeControl(writer: WireWriter, packet: SentPacket, time: SendTime): void {
    const { control } = this.#table;
    let done = 0;
    for (const stream of control) {
      if (writer.left < 3 * FRAME_BYTES_MAX) break;
      done++;
      stream.isInControl = false;
      const { id } = stream;
      if (stream.isDone) continue;
      if (stream.resetState === 'pending') {
        stream.resetState = 'sent';
        writeResetStream(writer, id, stream.resetCode, stream.sentBytes);
        addSentFrame(packet, QuicFrameType.resetStream, id);
      }
      if (stream.stopState === 'pending' && !stream.isReceiveOver) {
        stream.stopState = 'sent';
        writeNumbers(writer, QuicFrameType.stopSending, id, stream.stopCode);
        addSentFrame(packet, QuicFrameType.stopSending, id);
      }
      if (stream.wantsWindow && !stream.isReceiveOver) {
        const limit = stream.window.update(time.nowMs, time.roundTripMs);
        writeNumbers(writer, QuicFrameType.maxStreamData, id, limit);
        addSentFrame(packet, QuicFrameType.maxStreamData, id);
      }
      stream.wantsWindow = false;
    }
    control.splice(0, done);
  }

  /** Writes one STREAM frame. False: there is nothing to send, or no room. */
  #writeContent(writer: WireWriter, packet: SentPacket): boolean {
    const table = this.#table;
    const stream = table.nextToSend();
    if (stream === undefined) return false;
    const send = stream.send!;
    const piece = this.#piece;
    const limit = table.sendLimitFor(stream);
    send.next(piece, writer.left, limit);
    const room = writer.left - streamOverhead(stream.id, piece.offset);
    if (room < Math.min(CONTENT_BYTES_MIN, piece.length)) return false;
    if (!send.next(piece, Math.max(0, room), limit)) return false;
    writeStreamHead(writer, stream.id, piece.offset, piece);
    send.copy(piece.offset, piece.length, writer.bytes, writer.at);
    writer.at += piece.length;
    send.onSent(piece);
    if (piece.isNew) table.sentBytes += piece.length;
    const frame = addSentFrame(packet, QuicFrameType.stream, stream.id);
    frame.offset = piece.offset;
    frame.length = piece.length;
    frame.isFin = piece.isFin;
    this.#touched.add(stream);
    if (!stream.hasContent) table.scheduler.remove(stream);
    else if (writer.left < CONTENT_BYTES_MIN) table.scheduler.rotate(stream);
    return true;
  }

  onAcknowledged(frame: SentFrame): void {
    const stream = this.#table.get(frame.id);
    if (frame.type === QuicFrameType.stream) {
      stream?.onContentAcknowledged(frame.offset, frame.length, frame.isFin);
    } else if (frame.type === QuicFrameType.resetStream) stream?.onResetAcknowledged();
  }

  onLost(frame: SentFrame): void {
    const table = this.#table;
    switch (frame.type) {
      case QuicFrameType.stream:
        table.get(frame.id)?.onContentLost(frame.offset, frame.length, frame.isFin);
        break;
      case QuicFrameType.resetStream:
        table.get(frame.id)?.onResetLost();
        break;
      case QuicFrameType.stopSending:
        table.get(frame.id)?.onStopLost();
        break;
      case QuicFrameType.maxStreamData:
        table.get(frame.id)?.onWindowLost();
        break;
      case QuicFrameType.maxData:
        table.wantsWindow = true;
        break;
      case QuicFrameType.maxStreamsBidirectional:
        table.wantsStreams.bidirectional = true;
        break;
      case QuicFrameType.maxStreamsUnidirectional:
        table.wantsStreams.unidirectional = true;
        break;
      default:
        break;
    }
  }
}

/** A type and three integers at their longest. */
const FRAME_BYTES_MAX = 25;
