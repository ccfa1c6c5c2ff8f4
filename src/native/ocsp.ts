/** Whether a certificate has been revoked (RFC 6960): the question in DER, and what its answer says. */
import { bind } from './load.ts';
import { addressOf, NativeBuffer } from './memory.ts';
import { opensslErrorText, takeOpensslErrors } from './openssl-errors.ts';
import { libcrypto } from './openssl-table.ts';
import { addressOfCertificate, type Certificate } from './x509.ts';

const { checked: ocsp } = bind({
  OCSP_cert_to_id: { arguments: ['pointer', 'pointer', 'pointer'], return: 'pointer' },
  OCSP_CERTID_free: { arguments: ['pointer'], return: 'void' },
  OCSP_REQUEST_new: { arguments: [], return: 'pointer' },
  OCSP_REQUEST_free: { arguments: ['pointer'], return: 'void' },
  OCSP_request_add0_id: { arguments: ['pointer', 'pointer'], return: 'pointer' },
  i2d_OCSP_REQUEST: { arguments: ['pointer', 'pointer'], return: 'i32' },
  d2i_OCSP_RESPONSE: { arguments: ['pointer', 'pointer', 'i64'], return: 'pointer' },
  OCSP_RESPONSE_free: { arguments: ['pointer'], return: 'void' },
  OCSP_response_status: { arguments: ['pointer'], return: 'i32' },
  OCSP_response_get1_basic: { arguments: ['pointer'], return: 'pointer' },
  OCSP_BASICRESP_free: { arguments: ['pointer'], return: 'void' },
  OCSP_basic_verify: { arguments: ['pointer', 'pointer', 'pointer', 'u64'], return: 'i32' },
  OCSP_resp_find_status: {
    arguments: ['pointer', 'pointer', 'pointer', 'pointer', 'pointer', 'pointer', 'pointer'],
    return: 'i32',
  },
  OCSP_check_validity: { arguments: ['pointer', 'pointer', 'i64', 'i64'], return: 'i32' },
  ASN1_TIME_diff: { arguments: ['pointer', 'pointer', 'pointer', 'pointer'], return: 'i32' },
  X509_STORE_new: { arguments: [], return: 'pointer' },
  X509_STORE_free: { arguments: ['pointer'], return: 'void' },
  X509_STORE_set_flags: { arguments: ['pointer', 'u64'], return: 'i32' },
  OPENSSL_sk_push: { arguments: ['pointer', 'pointer'], return: 'i32' },
});
const { OPENSSL_sk_new_null, OPENSSL_sk_free, X509_STORE_add_cert } = libcrypto.checked;

/** `OCSP_RESPONSE_STATUS_SUCCESSFUL` (ocsp.h). */
const SUCCESSFUL = 0;
/** `X509_V_FLAG_PARTIAL_CHAIN` (x509_vfy.h): the issuer is trusted, root or not. */
const PARTIAL_CHAIN = 0x80000n;
/** `V_OCSP_CERTSTATUS_…` (ocsp.h). */
const STATUSES = ['good', 'revoked', 'unknown'] as const;
/** How far the responder's clock may be ahead of ours. */
const CLOCK_SKEW_SECONDS = 300n;
const NO_AGE_LIMIT = -1n;
const SECONDS_PER_DAY = 86_400;

export interface OcspAnswer {
  readonly status: (typeof STATUSES)[number];
  /** Seconds from now until the response is out of date; null when it does not say. */
  readonly validSeconds: number | null;
}

/** Bytes of a request about one certificate. */
export function ocspRequest(certificate: Certificate, issuer: Certificate): Buffer {
  const request = ocsp.OCSP_REQUEST_new();
  try {
    // The request takes the identifier over.
    ocsp.OCSP_request_add0_id(request, certificateId(certificate, issuer));
    using bytes = NativeBuffer.allocate(ocsp.i2d_OCSP_REQUEST(request, 0n));
    using cursor = pointerTo(bytes);
    ocsp.i2d_OCSP_REQUEST(request, addressOf(cursor));
    return Buffer.from(bytes.bytes);
  } finally {
    ocsp.OCSP_REQUEST_free(request);
  }
}

/**
 * What a response says about the certificate. Throws an Error with the reason when it is none, when
 * the issuer or whom it has named did not sign it, and when it is not, or no longer, valid.
 */
export function readOcspResponse(
  der: Uint8Array,
  certificate: Certificate,
  issuer: Certificate,
): OcspAnswer {
  using bytes = NativeBuffer.allocate(Math.max(1, der.length));
  bytes.bytes.set(der);
  using cursor = pointerTo(bytes);
  takeOpensslErrors();
  const response = ocsp.d2i_OCSP_RESPONSE(0n, addressOf(cursor), BigInt(der.length));
  if (response === 0n) throw new Error(`no OCSP response: ${opensslErrorText()}`);
  try {
    const status = ocsp.OCSP_response_status(response);
    if (status !== SUCCESSFUL) throw new Error(`the responder answers with error ${status}`);
    const basic = ocsp.OCSP_response_get1_basic(response);
    if (basic === 0n) throw new Error(`no basic OCSP response: ${opensslErrorText()}`);
    try {
      verify(basic, issuer);
      return answerOf(basic, certificate, issuer);
    } finally {
      ocsp.OCSP_BASICRESP_free(basic);
    }
  } finally {
    ocsp.OCSP_RESPONSE_free(response);
  }
}

/** RFC 6960 §4.2.2.2: by the issuer itself, or by whom it has given a certificate for that. */
function verify(basic: bigint, issuer: Certificate): void {
  const store = ocsp.X509_STORE_new();
  const known = OPENSSL_sk_new_null();
  try {
    X509_STORE_add_cert(store, addressOfCertificate(issuer));
    ocsp.X509_STORE_set_flags(store, PARTIAL_CHAIN);
    ocsp.OPENSSL_sk_push(known, addressOfCertificate(issuer));
    if (ocsp.OCSP_basic_verify(basic, known, store, 0n) === 1) return;
    throw new Error(`its signature is not the issuer's: ${opensslErrorText()}`);
  } finally {
    OPENSSL_sk_free(known);
    ocsp.X509_STORE_free(store);
    takeOpensslErrors();
  }
}

function answerOf(basic: bigint, certificate: Certificate, issuer: Certificate): OcspAnswer {
  // status, reason, revocation time, this update, next update: eight bytes each.
  using results = NativeBuffer.allocate(40);
  const [status, reason, revokedAt, thisUpdate, nextUpdate] = [0, 8, 16, 24, 32].map(
    (offset) => addressOf(results) + BigInt(offset),
  );
  const id = certificateId(certificate, issuer);
  const { OCSP_resp_find_status } = ocsp;
  const found = OCSP_resp_find_status(
    basic,
    id,
    status!,
    reason!,
    revokedAt!,
    thisUpdate!,
    nextUpdate!,
  );
  ocsp.OCSP_CERTID_free(id);
  if (found !== 1) throw new Error('it is about another certificate');
  const [from, until] = [results.bytes.readBigUInt64LE(24), results.bytes.readBigUInt64LE(32)];
  if (ocsp.OCSP_check_validity(from, until, CLOCK_SKEW_SECONDS, NO_AGE_LIMIT) !== 1) {
    throw new Error(`it is not valid now: ${opensslErrorText()}`);
  }
  return {
    status: STATUSES[results.bytes.readInt32LE(0)] ?? 'unknown',
    validSeconds: until === 0n ? null : secondsUntil(until),
  };
}

function secondsUntil(time: bigint): number {
  using results = NativeBuffer.allocate(8);
  const address = addressOf(results);
  ocsp.ASN1_TIME_diff(address, address + 4n, 0n, time);
  return results.bytes.readInt32LE(0) * SECONDS_PER_DAY + results.bytes.readInt32LE(4);
}

/** SHA-1 as every responder knows it: it names, and proves nothing. The caller frees it. */
function certificateId(certificate: Certificate, issuer: Certificate): bigint {
  const addresses = [certificate, issuer].map(addressOfCertificate);
  const id = ocsp.OCSP_cert_to_id(0n, addresses[0]!, addresses[1]!);
  if (id === 0n) throw new Error(opensslErrorText());
  return id;
}

/** A pointer in memory to the buffer's first byte, which OpenSSL moves on as it reads or writes. */
function pointerTo(buffer: NativeBuffer): NativeBuffer {
  const cursor = NativeBuffer.allocate(8);
  cursor.bytes.writeBigUInt64LE(addressOf(buffer));
  return cursor;
}
