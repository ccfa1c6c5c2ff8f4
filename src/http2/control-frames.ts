/** The frames that concern the connection as a whole, and those that are only checked. */

import { uint31, uint32 } from './bytes.ts';
import type { FrameConnection, RoleHandler } from './frame-connection.ts';
import { ErrorCode, Flag, FrameType } from './protocol.ts';

/** What a PING of ours was sent for: its first byte. */
export const PingPurpose = { ROUND_TRIP: 1, SHUTDOWN: 2, KEEPALIVE: 3 } as const;
const pingPayload = new Uint8Array(8);

export class ControlFrames {
  /** The peer's first SETTINGS frame has come, and the acknowledgement of ours. */
  hasPeerSettings = false;
  hasSettingsAck = false;
  readonly #connection: FrameConnection;
  readonly #role: RoleHandler;
  /** PINGs of ours that have not been answered. */
  #pingsOpen = 0;

  constructor(connection: FrameConnection, handler: RoleHandler) {
    this.#connection = connection;
    this.#role = handler;
  }

  sendPing(purpose: number): void {
    pingPayload[0] = purpose;
    this.#pingsOpen++;
    this.#connection.writer.ping(pingPayload, 0, false);
  }

  /**
   * RFC 9113 §3.4: the peer's preface ends with a SETTINGS frame, which may be empty. Some clients
   * write theirs, sent early above all, with the ACK flag: it says as much as an empty one.
   */
  mayBeFirst(type: number, flags: number): boolean {
    const isServer = this.#connection.role === 'server';
    return type === FrameType.SETTINGS && (isServer || (flags & Flag.ACK) === 0);
  }

  onFrame(
    type: number,
    flags: number,
    streamId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    switch (type) {
      case FrameType.SETTINGS:
        return this.#onSettings(flags, streamId, bytes, start, end);
      case FrameType.PING:
        return this.#onPing(flags, streamId, bytes, start, end);
      case FrameType.GOAWAY:
        return this.#onGoaway(streamId, bytes, start, end);
      case FrameType.PRIORITY:
        return this.#onPriority(streamId, bytes, start, end);
      case FrameType.PRIORITY_UPDATE:
        return this.#onPriorityUpdate(streamId, bytes, start, end);
      case FrameType.PUSH_PROMISE:
        return this.#protocolError('PUSH_PROMISE, and pushes are not enabled');
      default:
        // Frames of unknown types are discarded (RFC 9113 §5.5), though not without end.
        return end > start || this.#connection.spend('empty-frames');
    }
  }

  /** RFC 9113 §6.5. */
  #onSettings(
    flags: number,
    streamId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    const connection = this.#connection;
    if (streamId !== 0) return this.#protocolError('SETTINGS on a stream');
    if ((flags & Flag.ACK) !== 0) {
      if (start !== end) return connection.wrongLength('SETTINGS');
      if (!this.hasPeerSettings) {
        // Whoever writes it before reading anything acknowledges nothing.
        this.hasPeerSettings = true;
        return connection.spend('settings');
      }
      if (this.hasSettingsAck) return connection.spend('settings');
      this.hasSettingsAck = true;
      return true;
    }
    if (!connection.spend('settings')) return false;
    const { peer } = connection;
    const windowBefore = peer.initialWindowBytes;
    if (!peer.apply(bytes, start, end)) return connection.fail(peer.failureCode, peer.failure);
    this.hasPeerSettings = true;
    connection.encoder.setPeerLimit(peer.headerTableBytes);
    const change = peer.initialWindowBytes - windowBefore;
    // RFC 9113 §6.9.2: the change applies to every open stream, and may make a window negative.
    for (const stream of change === 0 ? [] : connection.streams.list()) {
      if (connection.sender.growStreamWindow(stream, change)) continue;
      return connection.fail(ErrorCode.FLOW_CONTROL_ERROR, 'a stream window overflows');
    }
    connection.writer.settingsAck();
    this.#role.onCapacityChange();
    return connection.countControlFrame();
  }

  /** RFC 9113 §6.7. */
  #onPing(flags: number, streamId: number, bytes: Uint8Array, start: number, end: number): boolean {
    const connection = this.#connection;
    if (streamId !== 0) return this.#protocolError('PING on a stream');
    if (end - start !== 8) return connection.wrongLength('PING');
    if ((flags & Flag.ACK) === 0) {
      if (!connection.spend('ping')) return false;
      connection.writer.ping(bytes, start, true);
      return connection.countControlFrame();
    }
    if (this.#pingsOpen === 0) return connection.spend('ping');
    this.#pingsOpen--;
    const purpose = bytes[start];
    if (purpose === PingPurpose.ROUND_TRIP) connection.receiver.onRoundTrip();
    else if (purpose === PingPurpose.SHUTDOWN) connection.onShutdownAck();
    else if (purpose === PingPurpose.KEEPALIVE) this.#role.onPong();
    return !connection.isClosed;
  }

  /** RFC 9113 §6.8. */
  #onGoaway(streamId: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (streamId !== 0) return this.#protocolError('GOAWAY on a stream');
    if (end - start < 8) return this.#connection.wrongLength('GOAWAY');
    this.#connection.onPeerGoaway(uint31(bytes, start), uint32(bytes, start + 4));
    return !this.#connection.isClosed && this.#connection.spend('settings');
  }

  /** RFC 9113 §6.3: deprecated, checked and ignored. */
  #onPriority(streamId: number, bytes: Uint8Array, start: number, end: number): boolean {
    const connection = this.#connection;
    if (streamId === 0) return this.#protocolError('PRIORITY on stream 0');
    if (!connection.spend('priority')) return false;
    // RST_STREAM may not be sent on an idle stream, so that there only the connection is left.
    const isOpen = connection.streams.get(streamId) !== undefined;
    if (end - start !== 5) {
      if (!isOpen) return connection.wrongLength('PRIORITY');
      connection.streamError(streamId, ErrorCode.FRAME_SIZE_ERROR, 'PRIORITY of a wrong length');
    } else if (uint31(bytes, start) === streamId) {
      if (!isOpen) return this.#protocolError('a stream that depends on itself');
      connection.streamError(streamId, ErrorCode.PROTOCOL_ERROR, 'a stream that depends on itself');
    }
    return !connection.isClosed;
  }

  /** RFC 9218 §7.1. */
  #onPriorityUpdate(streamId: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#connection.role === 'client' || streamId !== 0) {
      return this.#protocolError('PRIORITY_UPDATE where it may not be');
    }
    if (end - start < 4) return this.#connection.wrongLength('PRIORITY_UPDATE');
    const prioritized = uint31(bytes, start);
    // Nothing is ever pushed, so that an even identifier names no stream.
    if ((prioritized & 1) === 0) return this.#protocolError('PRIORITY_UPDATE of a wrong stream');
    if (!this.#connection.spend('priority')) return false;
    this.#role.onPriorityUpdate(prioritized, bytes.subarray(start + 4, end));
    return true;
  }

  #protocolError(message: string): false {
    return this.#connection.fail(ErrorCode.PROTOCOL_ERROR, message);
  }
}
