/** What the frames of a packet do to a connection. */

import { copyOfBytes } from '../../base/bytes.ts';
import { SpaceId } from '../recovery/loss.ts';
import type {
  AckFrame,
  CloseFrame,
  FrameHandler,
  NewConnectionIdFrame,
  StreamFrame,
} from '../wire/frame-reader.ts';
import { QuicFault, TransportErrorCode } from '../wire/transport-error.ts';
import type { ConnectionCore } from './connection-core.ts';
import type { HandshakeDriver } from './handshake-driver.ts';
import type { Path } from './paths.ts';

/** Characters of a peer's reason that are kept. */
const REASON_BYTES_MAX = 256;

export class ReceivedFrames implements FrameHandler {
  readonly #core: ConnectionCore;
  readonly #handshake: HandshakeDriver;
  /** Where the packet that is being read came from. */
  space: SpaceId = SpaceId.initial;
  isEarly = false;
  path: Path;
  /** The connection ID that it was sent to. */
  usedId: Uint8Array = new Uint8Array(0);

  constructor(core: ConnectionCore, handshake: HandshakeDriver) {
    this.#core = core;
    this.#handshake = handshake;
    this.path = core.paths.active;
  }

  onAck(frame: AckFrame): void {
    const core = this.#core;
    const space = core.spaces[this.space]!;
    const { protocolViolation } = TransportErrorCode;
    if (frame.largest >= space.nextNumber) {
      throw new QuicFault(protocolViolation, 'a packet is acknowledged that was not sent');
    }
    for (const number of space.skipped) {
      for (let i = 0; i < frame.ranges.length; i += 2) {
        if (number < frame.ranges[i]! || number > frame.ranges[i + 1]!) continue;
        throw new QuicFault(protocolViolation, 'a packet is acknowledged that was not sent');
      }
    }
    const isApplication = this.space === SpaceId.application;
    const exponent = core.peer?.ackDelayExponent ?? 3;
    const delayMs = isApplication ? (frame.delay * 2 ** exponent) / 1_000 : 0;
    // A client learns so that the server has validated it (RFC 9002 §6.2.2.1).
    if (this.space === SpaceId.handshake) core.recovery.isPeerValidated = true;
    core.recovery.onAck(this.space, frame, delayMs, core.nowMs);
    if (core.trace === undefined) return;
    const { controller, roundTrip } = core.recovery.path;
    const { bytesInFlight } = core.recovery;
    core.trace.metrics(controller.windowBytes, bytesInFlight, roundTrip.smoothedMs, core.nowMs);
  }

  onHandshakeData(offset: number, bytes: Uint8Array): void {
    this.#handshake.onFrame(this.#core.spaces[this.space]!, offset, bytes);
  }

  onStream(frame: StreamFrame): void {
    const core = this.#core;
    if (this.isEarly && core.handshake === undefined) core.tls.noteEarlyData(frame.bytes.length);
    core.streams.onFrame(frame, this.isEarly);
  }

  onResetStream(id: number, errorCode: number, finalSize: number): void {
    this.#core.streams.onResetStream(id, errorCode, finalSize);
  }

  onStopSending(id: number, errorCode: number): void {
    this.#core.streams.onStopSending(id, errorCode);
  }

  onNewToken(token: Uint8Array): void {
    if (this.#core.role === 'server') {
      throw new QuicFault(TransportErrorCode.protocolViolation, 'NEW_TOKEN from a client');
    }
    this.#core.token = copyOfBytes(token);
  }

  onMaxData(max: number): void {
    this.#core.streams.onSendLimit(max);
  }

  onMaxStreamData(id: number, max: number): void {
    this.#core.streams.onStreamSendLimit(id, max);
  }

  onMaxStreams(isBidirectional: boolean, max: number): void {
    this.#core.streams.onStreamsLimit(isBidirectional ? 'bidirectional' : 'unidirectional', max);
  }

  onBlocked(id: number | undefined): void {
    if (id !== undefined) this.#core.streams.onStreamBlocked(id);
  }

  onStreamsBlocked(): void {}

  onNewConnectionId(frame: NewConnectionIdFrame): void {
    this.#core.remoteIds.onNewId(frame);
  }

  onRetireConnectionId(sequence: number): void {
    this.#core.localIds.retire(sequence, this.usedId);
  }

  onPathChallenge(data: Uint8Array): void {
    this.path.respond(data, this.#core.environment.limits.pathResponsesMax);
  }

  onPathResponse(data: Uint8Array): void {
    const core = this.#core;
    const path = core.paths.onResponse(data);
    if (path !== undefined) core.trace?.pathChanged(path.address.key, true, core.nowMs);
  }

  onClose(frame: CloseFrame): void {
    const { errorCode, isApplication } = frame;
    const reason = Buffer.from(frame.reason.subarray(0, REASON_BYTES_MAX)).toString('utf8');
    this.#core.close({ by: 'peer', isApplication, errorCode, reason });
  }

  onHandshakeDone(): void {
    if (this.#core.role === 'server') {
      throw new QuicFault(TransportErrorCode.protocolViolation, 'HANDSHAKE_DONE from a client');
    }
    if (this.#core.handshake !== undefined) this.#handshake.confirm();
  }

  onDatagram(bytes: Uint8Array): void {
    const core = this.#core;
    // A type, and a length of two bytes, at most.
    if (bytes.length + 1 > core.environment.limits.datagramFrameBytesMax) {
      throw new QuicFault(TransportErrorCode.protocolViolation, 'a datagram that we do not take');
    }
    const isEarly = this.isEarly && core.handshake === undefined;
    core.application.onDatagram(bytes, isEarly);
  }
}
