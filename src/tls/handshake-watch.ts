/** What a handshake shows on the wire in the clear, read without asking OpenSSL. */

/** SHA-256 of "HelloRetryRequest", the random value that marks one (RFC 8446 §4.1.3). */
const HELLO_RETRY_REQUEST_RANDOM = Buffer.from(
  'cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c',
  'hex',
);
export const CONTENT_TYPE_HANDSHAKE = 22;
const HANDSHAKE_TYPE_SERVER_HELLO = 2;
/** Record header 5, handshake header 4, legacy_version 2. */
const RANDOM_OFFSET = 11;

/** How many bytes of the server's first flight decide whether it is a HelloRetryRequest. */
export const SERVER_HELLO_PREFIX_BYTES = RANDOM_OFFSET + HELLO_RETRY_REQUEST_RANDOM.length;

const RECORD_HEADER_BYTES = 5;

/** The same of a message without a record, as QUIC carries it. */
export function isHelloRetryRequestMessage(message: Uint8Array): boolean {
  const start = RANDOM_OFFSET - RECORD_HEADER_BYTES;
  return (
    message.length >= start + HELLO_RETRY_REQUEST_RANDOM.length &&
    message[0] === HANDSHAKE_TYPE_SERVER_HELLO &&
    HELLO_RETRY_REQUEST_RANDOM.equals(
      message.subarray(start, start + HELLO_RETRY_REQUEST_RANDOM.length),
    )
  );
}

/** Whether a server's flight that begins with `prefix` is a HelloRetryRequest. */
export function isHelloRetryRequest(prefix: Uint8Array): boolean {
  return (
    prefix.length === SERVER_HELLO_PREFIX_BYTES &&
    prefix[0] === CONTENT_TYPE_HANDSHAKE &&
    prefix[5] === HANDSHAKE_TYPE_SERVER_HELLO &&
    HELLO_RETRY_REQUEST_RANDOM.equals(prefix.subarray(RANDOM_OFFSET))
  );
}
