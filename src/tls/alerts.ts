/** Alerts by the names of RFC 8446 §6 and the IANA registry of TLS alerts. */

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

const CONTENT_TYPE_ALERT = 21;
const RECORD_HEADER_BYTES = 5;
const ALERT_BYTES = 2;
/** How many octets at the end of the output to pass to the two functions below. */
export const ALERT_RECORD_BYTES = RECORD_HEADER_BYTES + ALERT_BYTES;
/** In TLS 1.3 an alert is followed by its content type and a tag of 16 octets. */
const SEALED_ALERT_BYTES = ALERT_BYTES + 1 + 16;
export const SEALED_ALERT_RECORD_BYTES = RECORD_HEADER_BYTES + SEALED_ALERT_BYTES;
const CONTENT_TYPE_APPLICATION_DATA = 23;

/** The alert at the end of the output when it is in the clear, or -1 (RFC 8446 §5.1, §6). */
export function plaintextAlert(tail: Uint8Array): number {
  const isAlert =
    tail.length === ALERT_RECORD_BYTES &&
    tail[0] === CONTENT_TYPE_ALERT &&
    tail[1] === 3 &&
    tail[3] === 0 &&
    tail[4] === ALERT_BYTES;
  return isAlert ? tail[6]! : -1;
}

/** Whether the output ends with a TLS 1.3 record of an alert's size. */
export function isSealedAlert(tail: Uint8Array): boolean {
  return (
    tail.length === SEALED_ALERT_RECORD_BYTES &&
    tail[0] === CONTENT_TYPE_APPLICATION_DATA &&
    tail[1] === 3 &&
    tail[3] === 0 &&
    tail[4] === SEALED_ALERT_BYTES
  );
}
