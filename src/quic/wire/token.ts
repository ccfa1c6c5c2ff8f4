/**
 * Tokens for address validation (RFC 9000 §8.1): of a Retry, and of NEW_TOKEN for a later connection. They
 * are sealed by {@link QuicSecrets} with the peer's address as context, so that they are good nowhere
 * else, and say when they were made.
 */
import type { PathAddress, QuicSecrets } from '../contracts.ts';
import { WireReader, WireWriter } from './varint.ts';

/** ms: a client answers a Retry at once. */
export const RETRY_TOKEN_MS_MAX = 10_000;
/** ms: as long as a session ticket lives by default, so that both are of use together. */
export const NEW_TOKEN_MS_MAX = 7_200_000;
/** Clocks of machines that share keys may differ by so many ms. */
const CLOCK_SKEW_MS = 5_000;

const Kind = { retry: 1, later: 2 } as const;

/** What a good token says. */
export interface ValidToken {
  /** Of a Retry: the first Destination Connection ID, and the one that the Retry asked for. */
  readonly retry: { readonly originalId: Uint8Array; readonly retryId: Uint8Array } | undefined;
}

/** The address, and for a Retry the port: a client's port may be another one in a later connection. */
function contextOf(path: PathAddress, kind: number): Uint8Array {
  const port = kind === Kind.retry ? path.peerPort : 0;
  const context = new Uint8Array(path.peerIp.length + 3);
  context.set(path.peerIp);
  context.set([port >> 8, port & 0xff, kind], path.peerIp.length);
  return context;
}

function seal(secrets: QuicSecrets, path: PathAddress, kind: number, text: Uint8Array): Uint8Array {
  const sealed = secrets.sealToken(text, contextOf(path, kind));
  const token = new Uint8Array(sealed.length + 1);
  token[0] = kind;
  token.set(sealed, 1);
  return token;
}

export function makeRetryToken(
  secrets: QuicSecrets,
  path: PathAddress,
  ids: { readonly originalId: Uint8Array; readonly retryId: Uint8Array },
  wallMs: number,
): Uint8Array {
  const writer = new WireWriter().set(new Uint8Array(64), 0, 64);
  writer.varintOf(Math.floor(wallMs), 8);
  writer.putTold(ids.originalId);
  writer.putTold(ids.retryId);
  return seal(secrets, path, Kind.retry, writer.bytes.subarray(0, writer.at));
}

/** A token for the client's next connections from this address. */
export function makeLaterToken(
  secrets: QuicSecrets,
  path: PathAddress,
  wallMs: number,
): Uint8Array {
  const writer = new WireWriter().set(new Uint8Array(8), 0, 8);
  writer.varintOf(Math.floor(wallMs), 8);
  return seal(secrets, path, Kind.later, writer.bytes);
}

/**
 * Reads a token of ours. `invalidRetry`: it claims to be of a Retry and is not good (RFC 9000 §8.1.3 has
 * the server close with INVALID_TOKEN); undefined: none of ours, to be treated as none at all.
 */
export function readToken(
  secrets: QuicSecrets,
  path: PathAddress,
  token: Uint8Array,
  wallMs: number,
): ValidToken | 'invalidRetry' | undefined {
  const kind = token[0];
  if (kind !== Kind.retry && kind !== Kind.later) return undefined;
  const bad = kind === Kind.retry ? 'invalidRetry' : undefined;
  const text = secrets.openToken(token.subarray(1), contextOf(path, kind));
  if (text === undefined) return bad;
  const reader = new WireReader().set(text, 0, text.length);
  const ageMs = wallMs - reader.varint();
  const ageMsMax = kind === Kind.retry ? RETRY_TOKEN_MS_MAX : NEW_TOKEN_MS_MAX;
  if (reader.hasFailed || ageMs > ageMsMax || ageMs < -CLOCK_SKEW_MS) return bad;
  if (kind === Kind.later) return { retry: undefined };
  const originalId = reader.viewOfTold();
  const retryId = reader.viewOfTold();
  return reader.hasFailed ? bad : { retry: { originalId, retryId } };
}
