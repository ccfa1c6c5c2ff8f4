/** The peer's settings (RFC 9113 §6.5.2), checked as they are read. */
import {
  ErrorCode,
  FRAME_SIZE_MAX,
  FRAME_SIZE_MIN,
  SettingId,
  TABLE_SIZE_INITIAL,
  WINDOW_SIZE_INITIAL,
  WINDOW_SIZE_MAX,
} from './protocol.ts';

const SETTING_BYTES = 6;

export class PeerSettings {
  headerTableBytes = TABLE_SIZE_INITIAL;
  streamsConcurrentMax = Number.POSITIVE_INFINITY;
  initialWindowBytes = WINDOW_SIZE_INITIAL;
  frameBytesMax = FRAME_SIZE_MIN;
  fieldSectionBytesMax = Number.POSITIVE_INFINITY;
  allowsExtendedConnect = false;
  /** What was wrong with the last frame, with the error code it calls for. */
  failure = '';
  failureCode: number = ErrorCode.NO_ERROR;

  /** Applies a SETTINGS frame's payload, in order. False: `failure` and `failureCode` say why. */
  apply(bytes: Uint8Array, start: number, end: number): boolean {
    if ((end - start) % SETTING_BYTES !== 0) {
      return this.#fail(
        ErrorCode.FRAME_SIZE_ERROR,
        'SETTINGS of a length that is no multiple of 6',
      );
    }
    for (let offset = start; offset < end; offset += SETTING_BYTES) {
      const id = (bytes[offset]! << 8) | bytes[offset + 1]!;
      const high = (bytes[offset + 2]! << 8) | bytes[offset + 3]!;
      const value = high * 0x1_0000 + ((bytes[offset + 4]! << 8) | bytes[offset + 5]!);
      if (!this.#set(id, value)) return false;
    }
    return true;
  }

  #set(id: number, value: number): boolean {
    switch (id) {
      case SettingId.HEADER_TABLE_SIZE:
        this.headerTableBytes = value;
        return true;
      case SettingId.ENABLE_PUSH:
        return value <= 1 || this.#fail(ErrorCode.PROTOCOL_ERROR, 'ENABLE_PUSH is not 0 or 1');
      case SettingId.MAX_CONCURRENT_STREAMS:
        this.streamsConcurrentMax = value;
        return true;
      case SettingId.INITIAL_WINDOW_SIZE:
        this.initialWindowBytes = value;
        if (value <= WINDOW_SIZE_MAX) return true;
        return this.#fail(ErrorCode.FLOW_CONTROL_ERROR, 'INITIAL_WINDOW_SIZE above 2^31-1');
      case SettingId.MAX_FRAME_SIZE:
        this.frameBytesMax = value;
        if (value >= FRAME_SIZE_MIN && value <= FRAME_SIZE_MAX) return true;
        return this.#fail(ErrorCode.PROTOCOL_ERROR, 'MAX_FRAME_SIZE out of range');
      case SettingId.MAX_HEADER_LIST_SIZE:
        this.fieldSectionBytesMax = value;
        return true;
      case SettingId.ENABLE_CONNECT_PROTOCOL:
        return this.#setExtendedConnect(value);
      default:
        // Unknown settings are ignored; NO_RFC7540_PRIORITIES changes nothing here.
        return true;
    }
  }

  /** RFC 8441 §3: 0 or 1, and never back to 0. */
  #setExtendedConnect(value: number): boolean {
    if (value > 1 || (value === 0 && this.allowsExtendedConnect)) {
      return this.#fail(ErrorCode.PROTOCOL_ERROR, 'wrong ENABLE_CONNECT_PROTOCOL');
    }
    this.allowsExtendedConnect = value === 1;
    return true;
  }

  #fail(code: number, reason: string): false {
    this.failure = reason;
    this.failureCode = code;
    return false;
  }
}
