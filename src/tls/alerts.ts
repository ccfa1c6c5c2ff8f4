/** Alerts by the names of RFC 8446 §6 and the IANA registry of TLS alerts. */

/** For the bytes that are sent. */
export const ALERT_ILLEGAL_PARAMETER = 47;
export const ALERT_UNRECOGNIZED_NAME = 112;
export const ALERT_UNEXPECTED_MESSAGE = 10;
export const ALERT_HANDSHAKE_FAILURE = 40;
export const ALERT_PROTOCOL_VERSION = 70;
export const ALERT_INTERNAL_ERROR = 80;
export const ALERT_MISSING_EXTENSION = 109;

const names: Readonly<Record<number, string>> = {
  0: 'close_notify',
  10: 'unexpected_message',
  20: 'bad_record_mac',
  21: 'decryption_failed',
  22: 'record_overflow',
  30: 'decompression_failure',
  40: 'handshake_failure',
  41: 'no_certificate',
  42: 'bad_certificate',
  43: 'unsupported_certificate',
  44: 'certificate_revoked',
  45: 'certificate_expired',
  46: 'certificate_unknown',
  47: 'illegal_parameter',
  48: 'unknown_ca',
  49: 'access_denied',
  50: 'decode_error',
  51: 'decrypt_error',
  60: 'export_restriction',
  70: 'protocol_version',
  71: 'insufficient_security',
  80: 'internal_error',
  86: 'inappropriate_fallback',
  90: 'user_canceled',
  100: 'no_renegotiation',
  109: 'missing_extension',
  110: 'unsupported_extension',
  111: 'certificate_unobtainable',
  112: 'unrecognized_name',
  113: 'bad_certificate_status_response',
  114: 'bad_certificate_hash_value',
  115: 'unknown_psk_identity',
  116: 'certificate_required',
  117: 'general_error',
  120: 'no_application_protocol',
  121: 'ech_required',
};

/** `handshake_failure`, or `alert_199` for a number that is not registered. */
export function alertName(description: number): string {
  return names[description] ?? `alert_${description}`;
}

const numbers = new Map(Object.entries(names).map(([number, name]) => [name, Number(number)]));

/** The number of an alert by its name; -1 for ''. */
export function alertNumber(name: string): number {
  return numbers.get(name) ?? -1;
}

const CONTENT_TYPE_ALERT = 21;
const CONTENT_TYPE_APPLICATION_DATA = 23;
const RECORD_HEADER_BYTES = 5;
const ALERT_BYTES = 2;

/**
 * A sealed alert by content type and length of its record: in TLS 1.3 a type and a tag of 16 bytes
 * follow it and the record says application data (RFC 8446 §5.2); in TLS 1.2 GCM adds 8 bytes of
 * nonce and the tag (RFC 5288 §3), ChaCha20 the tag (RFC 7905 §2).
 */
const SEALED_ALERTS: readonly (readonly [type: number, length: number])[] = [
  [CONTENT_TYPE_APPLICATION_DATA, ALERT_BYTES + 1 + 16],
  [CONTENT_TYPE_ALERT, ALERT_BYTES + 8 + 16],
  [CONTENT_TYPE_ALERT, ALERT_BYTES + 16],
];

/** How many bytes at the end of the output to pass to the two functions below. */
export const ALERT_TAIL_BYTES = RECORD_HEADER_BYTES + ALERT_BYTES + 8 + 16;

/** The alert at the end of the output when it is in the clear, or -1 (RFC 8446 §5.1, §6). */
export function plaintextAlert(tail: Uint8Array): number {
  return endsWithRecord(tail, CONTENT_TYPE_ALERT, ALERT_BYTES) ? tail.at(-1)! : -1;
}

/** Whether the output ends with a record that has the size of a sealed alert. */
export function isSealedAlert(tail: Uint8Array): boolean {
  return SEALED_ALERTS.some(([type, length]) => endsWithRecord(tail, type, length));
}

function endsWithRecord(tail: Uint8Array, type: number, length: number): boolean {
  const start = tail.length - RECORD_HEADER_BYTES - length;
  return (
    start >= 0 &&
    tail[start] === type &&
    tail[start + 1] === 3 &&
    tail[start + 3] === 0 &&
    tail[start + 4] === length
  );
}
