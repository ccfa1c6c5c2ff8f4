/** SETTINGS (RFC 9114 §7.2.4): ours as they are sent, the peer's as they are read. */
import { EXACT_MAX, WireReader } from '../quic/wire/varint.ts';
import { frameOf, varints } from './frame-bytes.ts';
import type { Http3Limits } from './limits.ts';
import { Http3FrameType, Http3SettingId, reservedNumber } from './protocol.ts';

/** RFC 9114 §7.2.4.1: settings of HTTP/2 that have no place here. */
const FORBIDDEN_SETTINGS: readonly number[] = [0x2, 0x3, 0x4, 0x5];

/** Settings that a peer may announce; more than anybody knows are no settings. */
const SETTINGS_MAX = 64;

/**
 * What we announce: identifiers and values in turn. What a ticket remembers for 0-RTT is this, too:
 * early data is refused when a value has become smaller (RFC 9114 §7.2.4.2).
 */
export function http3Settings(limits: Http3Limits, role: 'server' | 'client'): number[] {
  const settings = [
    Http3SettingId.QPACK_MAX_TABLE_CAPACITY,
    limits.tableBytesMax,
    Http3SettingId.QPACK_BLOCKED_STREAMS,
    limits.blockedStreamsMax,
    Http3SettingId.MAX_FIELD_SECTION_SIZE,
    limits.fieldSectionBytesMax,
  ];
  if (role === 'server') settings.push(Http3SettingId.ENABLE_CONNECT_PROTOCOL, 1);
  return settings;
}

/** `grease`: a number of chance, which makes a setting that means nothing (RFC 9114 §7.2.4.1). */
export function settingsFrame(settings: readonly number[], grease: number): Uint8Array {
  return frameOf(Http3FrameType.SETTINGS, varints([...settings, reservedNumber(grease), grease]));
}

const wire = new WireReader();

export class Http3PeerSettings {
  tableBytesMax = 0;
  blockedStreamsMax = 0;
  /** Bytes of headers that the peer would rather not exceed: advice. */
  fieldSectionBytesMax = EXACT_MAX;
  allowsExtendedConnect = false;

  /** Null, or what is wrong: H3_SETTINGS_ERROR, or H3_FRAME_ERROR for one that is cut off. */
  read(payload: Uint8Array): { readonly isCutOff: boolean; readonly reason: string } | null {
    const seen = new Set<number>();
    wire.set(payload, 0, payload.length);
    while (wire.left > 0) {
      const id = wire.varint();
      const value = wire.varint();
      if (wire.hasFailed) return { isCutOff: true, reason: 'SETTINGS that are cut off' };
      const reason = this.#wrong(id, value, seen);
      if (reason !== '') return { isCutOff: false, reason };
      seen.add(id);
    }
    return null;
  }

  #wrong(id: number, value: number, seen: ReadonlySet<number>): string {
    if (FORBIDDEN_SETTINGS.includes(id)) return `setting ${id} of HTTP/2`;
    if (seen.has(id)) return `setting ${id} twice`;
    if (seen.size >= SETTINGS_MAX) return 'too many settings';
    switch (id) {
      case Http3SettingId.QPACK_MAX_TABLE_CAPACITY:
        this.tableBytesMax = value;
        return '';
      case Http3SettingId.QPACK_BLOCKED_STREAMS:
        this.blockedStreamsMax = value;
        return '';
      case Http3SettingId.MAX_FIELD_SECTION_SIZE:
        this.fieldSectionBytesMax = value;
        return '';
      case Http3SettingId.ENABLE_CONNECT_PROTOCOL:
        this.allowsExtendedConnect = value === 1;
        return value > 1 ? 'ENABLE_CONNECT_PROTOCOL is neither 0 nor 1' : '';
      case Http3SettingId.H3_DATAGRAM:
        return value > 1 ? 'H3_DATAGRAM is neither 0 nor 1' : '';
      default:
        return '';
    }
  }
}
