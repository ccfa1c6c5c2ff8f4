/**
 * What OpenSSL's error queue means: a stable code, whom to blame, and which alert went out.
 *
 * OpenSSL does not tell which alert it has sent. In the clear it can be read in the output; when it
 * is sealed, its reason decides, by the table below, which follows RFC 8446 §6.2. The tests compare
 * it with what the other side receives.
 */
import { type Blame, SluiceError } from '../base/errors.ts';
import type { CallbackFault } from '../native/callbacks.ts';
import { ALERT_REASON_OFFSET, ERR_LIB_SSL, type OpensslError } from '../native/openssl-errors.ts';
import { alertName } from './alerts.ts';

interface Reason {
  readonly code: string;
  /** The alert that RFC 8446 asks for, or '' when none is sent. */
  readonly alert: string;
}

/** Numbers of sslerr.h for causes that deserve a code of their own. */
const ownCodes: Readonly<Record<number, Reason>> = {
  /* SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST */
  155: { code: 'tls-not-tls', alert: '' },
  156: { code: 'tls-not-tls', alert: '' },
  /* SSL_R_WRONG_VERSION_NUMBER: the first bytes are no TLS record; see explainFailure */
  267: { code: 'tls-not-tls', alert: '' },
  /* SSL_R_UNSUPPORTED_PROTOCOL, UNKNOWN_PROTOCOL, NO_PROTOCOLS_AVAILABLE, VERSION_TOO_LOW */
  258: { code: 'tls-version-unsupported', alert: 'protocol_version' },
  252: { code: 'tls-version-unsupported', alert: 'protocol_version' },
  191: { code: 'tls-version-unsupported', alert: 'protocol_version' },
  396: { code: 'tls-version-unsupported', alert: 'protocol_version' },
  266: { code: 'tls-version-unsupported', alert: 'protocol_version' },
  /* SSL_R_NO_SHARED_CIPHER */
  193: { code: 'tls-no-shared-cipher', alert: 'handshake_failure' },
  /* SSL_R_NO_SUITABLE_KEY_SHARE, NO_SHARED_GROUPS, NO_SUITABLE_GROUPS */
  101: { code: 'tls-no-shared-group', alert: '' },
  410: { code: 'tls-no-shared-group', alert: 'handshake_failure' },
  295: { code: 'tls-no-shared-group', alert: 'handshake_failure' },
  /* SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, NO_SHARED_SIGNATURE_ALGORITHMS */
  118: { code: 'tls-no-shared-signature-scheme', alert: 'handshake_failure' },
  376: { code: 'tls-no-shared-signature-scheme', alert: 'handshake_failure' },
  /* SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE (RFC 8446 §4.4.2.4) */
  199: { code: 'tls-client-certificate-missing', alert: 'certificate_required' },
  /* SSL_R_NO_APPLICATION_PROTOCOL */
  235: { code: 'tls-no-application-protocol', alert: 'no_application_protocol' },
  /* SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC */
  281: { code: 'tls-record-tampered', alert: 'bad_record_mac' },
  /* SSL_R_DIGEST_CHECK_FAILED (Finished), BAD_SIGNATURE, BINDER_DOES_NOT_VERIFY */
  149: { code: 'tls-handshake-tampered', alert: 'decrypt_error' },
  123: { code: 'tls-handshake-tampered', alert: 'decrypt_error' },
  253: { code: 'tls-handshake-tampered', alert: 'illegal_parameter' },
  /* SSL_R_TOO_MUCH_EARLY_DATA */
  164: { code: 'tls-too-much-early-data', alert: 'unexpected_message' },
  /* SSL_R_NO_RENEGOTIATION, UNSAFE_LEGACY_RENEGOTIATION_DISABLED */
  339: { code: 'tls-renegotiation-refused', alert: 'no_renegotiation' },
  338: { code: 'tls-renegotiation-refused', alert: 'handshake_failure' },
  /* SSL_R_INAPPROPRIATE_FALLBACK */
  373: { code: 'tls-inappropriate-fallback', alert: 'inappropriate_fallback' },
};

/**
 * Reasons that share the code `tls-protocol-violation`, by the alert that answers them. Those that
 * OpenSSL answers with one alert here and with another there are under '': no name is better than
 * one that may be wrong.
 */
const violations: Readonly<Record<string, readonly number[]>> = {
  unexpected_message: [
    100, 133, 145, 154, 182, 205, 244, 245, 260, 262, 293, 298, 409, 443, 178, 132,
  ],
  decode_error: [
    111, 115, 131, 135, 137, 148, 151, 153, 159, 160, 163, 187, 213, 227, 240, 278, 282, 294, 329,
    336,
  ],
  illegal_parameter: [
    102, 108, 114, 116, 120, 152, 162, 183, 186, 197, 214, 215, 218, 220, 233, 246, 248, 257, 261,
    263, 292, 300, 306, 342, 343, 344, 378, 383, 404, 999,
  ],
  handshake_failure: [221, 340, 394],
  missing_extension: [209, 310, 112, 420],
  unsupported_extension: [217],
  record_overflow: [140, 150, 198],
  insufficient_security: [241],
  unrecognized_name: [319, 320],
  '': [103, 104, 110, 122, 146, 271, 308, 337, 341, 370, 390],
};

const reasons = new Map<number, Reason>();
for (const [alert, numbers] of Object.entries(violations)) {
  for (const number of numbers) reasons.set(number, { code: 'tls-protocol-violation', alert });
}
for (const [number, reason] of Object.entries(ownCodes)) reasons.set(Number(number), reason);

/** An alert has one byte. */
const ALERT_MAX = 255;

/** `SSL_R_CERTIFICATE_VERIFY_FAILED`. */
const CERTIFICATE_VERIFY_FAILED = 134;

/** What a failed verification (`X509_V_ERR_…` of x509_vfy.h) is called. */
const certificateFaults: Readonly<Record<number, Reason>> = {
  9: { code: 'tls-certificate-not-yet-valid', alert: 'bad_certificate' },
  10: { code: 'tls-certificate-expired', alert: 'certificate_expired' },
  2: { code: 'tls-certificate-untrusted', alert: 'unknown_ca' },
  18: { code: 'tls-certificate-untrusted', alert: 'unknown_ca' },
  19: { code: 'tls-certificate-untrusted', alert: 'unknown_ca' },
  20: { code: 'tls-certificate-untrusted', alert: 'unknown_ca' },
  21: { code: 'tls-certificate-untrusted', alert: 'unknown_ca' },
  22: { code: 'tls-certificate-untrusted', alert: 'unknown_ca' },
  24: { code: 'tls-certificate-untrusted', alert: 'unknown_ca' },
  27: { code: 'tls-certificate-untrusted', alert: 'bad_certificate' },
  28: { code: 'tls-certificate-untrusted', alert: 'bad_certificate' },
  79: { code: 'tls-certificate-untrusted', alert: 'unknown_ca' },
  23: { code: 'tls-certificate-revoked', alert: 'certificate_revoked' },
  26: { code: 'tls-certificate-wrong-purpose', alert: 'unsupported_certificate' },
  62: { code: 'tls-certificate-name-mismatch', alert: 'bad_certificate' },
  64: { code: 'tls-certificate-name-mismatch', alert: 'bad_certificate' },
};
const certificateInvalid: Reason = { code: 'tls-certificate-invalid', alert: 'bad_certificate' };

/** What ended a connection, for its error and its record. */
export interface Failure {
  readonly error: SluiceError;
  /** RFC name of the alert, or '' when there is none or it is not known. */
  readonly alert: string;
  readonly alertSentBy: '' | 'us' | 'peer';
}

/** What the engine can tell about the moment of a failure. */
export interface FailureScene {
  /** Whom a fault of the peer is blamed on. */
  readonly peer: Blame;
  /** An exception of ours that OpenSSL has met; null for none. */
  readonly fault: CallbackFault | null;
  readonly errors: readonly OpensslError[];
  /** Whether a cipher suite has been agreed. */
  readonly isAgreed: boolean;
  /** The alert in the clear at the end of the output, or -1. */
  readonly plaintextAlert: number;
  /** Whether a sealed alert seems to be at the end of the output. */
  readonly sealedAlert: boolean;
  /** `X509_V_…`, 0 when the peer's chain was verified or not asked for, and its words. */
  readonly verifyResult: number;
  readonly verifyResultText: string;
}

/** A ClientHello that has ended workers (refusal/hello-guard.ts) does not reach OpenSSL. */
export function helloRefused(blame: Blame): Failure {
  const message = 'a ClientHello like this one has ended workers, and is refused for a time';
  const error = new SluiceError('tls-client-hello-refused', message, { blame });
  return { error, alert: '', alertSentBy: '' };
}

/** Explains a failure of OpenSSL. */
export function explainFailure(scene: FailureScene): Failure {
  const { errors } = scene;
  const received = errors.find(isAlertReceived);
  if (received !== undefined) {
    return alertReceived(alertName(received.reason - ALERT_REASON_OFFSET), scene.peer);
  }
  const known = knownReason(scene);
  if (scene.fault !== null) return withAlert(faultOfOurs(scene.fault), scene, 'internal_error');
  let code = known?.reason.code ?? 'tls-failed';
  // Once both sides have agreed on something, a broken record header is no other protocol.
  if (code === 'tls-not-tls' && scene.isAgreed) code = 'tls-protocol-violation';
  const text = known?.text ?? errors[0]?.text ?? 'the connection broke';
  const error = new SluiceError(code, text, { blame: scene.peer });
  return withAlert(error, scene, known?.reason.alert ?? '');
}

/** OpenSSL's own fatal errors have higher reasons (ERR_R_FATAL): they are nobody's alert. */
function isAlertReceived({ library, reason }: OpensslError): boolean {
  const alert = reason - ALERT_REASON_OFFSET;
  return library === ERR_LIB_SSL && alert >= 0 && alert <= ALERT_MAX;
}

/** `sealed`: the alert that goes out where it cannot be read. */
function withAlert(error: SluiceError, scene: FailureScene, sealed: string): Failure {
  if (scene.plaintextAlert >= 0) {
    return { error, alert: alertName(scene.plaintextAlert), alertSentBy: 'us' };
  }
  const alert = scene.sealedAlert ? sealed : '';
  return { error, alert, alertSentBy: scene.sealedAlert ? 'us' : '' };
}

/** Whatever OpenSSL makes of it, the peer has done nothing. */
function faultOfOurs({ name, error: cause }: CallbackFault): SluiceError {
  const message = `an exception of sluice in the callback ${name}`;
  return new SluiceError('internal-error', message, { blame: 'self', cause });
}

/** The peer broke the connection off and said why. */
export function alertReceived(alert: string, peer: Blame): Failure {
  const error = new SluiceError('tls-alert-received', `the peer sent the alert ${alert}`, {
    blame: peer,
  });
  return { error, alert, alertSentBy: 'peer' };
}

function knownReason(scene: FailureScene): { reason: Reason; text: string } | undefined {
  for (const { library, reason, text } of scene.errors) {
    if (library !== ERR_LIB_SSL) continue;
    if (reason === CERTIFICATE_VERIFY_FAILED) {
      const fault = certificateFaults[scene.verifyResult] ?? certificateInvalid;
      return { reason: fault, text: scene.verifyResultText };
    }
    const known = reasons.get(reason);
    if (known !== undefined) return { reason: known, text };
  }
  return undefined;
}
