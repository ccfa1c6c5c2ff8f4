import type { Authority } from './authority.ts';
import type { FieldSection } from './field-section.ts';

/** Protocol versions as the RFCs number them. */
export type HttpVersion = '1.0' | '1.1' | '2' | '3';

/** Each message has a stream of its own there, with an end in each direction. */
export function hasStreams(version: HttpVersion): boolean {
  return version === '2' || version === '3';
}

/**
 * The control data and fields of a request (RFC 9110 §6.2), the same for every protocol version.
 * Strings are byte strings (latin1), already validated by the protocol core.
 */
export interface RequestHead {
  readonly method: string;
  readonly version: HttpVersion;
  /** `http` or `https`; from the connection in HTTP/1, from `:scheme` in HTTP/2 and HTTP/3. */
  readonly scheme: string;
  /**
   * The target's authority: from an absolute-form target, else from Host or `:authority`. Without a
   * host only for HTTP/1.0 without Host.
   */
  readonly authority: Authority;
  /** Path and query in origin form, starting with `/`; `*` for OPTIONS *; empty for CONNECT. */
  readonly path: string;
  /** Without pseudo-header fields. Host is kept for HTTP/1; absent in the others. */
  readonly fields: FieldSection;
  /**
   * Bytes of content announced by Content-Length; 0 when the message has none; -1 when the length
   * is not known in advance (chunked, or HTTP/2 and HTTP/3 without Content-Length).
   */
  readonly contentLength: number;
  /** `Expect: 100-continue` was sent and the client may be waiting (RFC 9110 §10.1.1). */
  readonly expectContinue: boolean;
  /** The protocol named in Upgrade (HTTP/1.1) or `:protocol` (RFC 8441), lower-case, or ''. */
  readonly upgrade: string;
  /** The head as it was sent, when this one is what it means (RFC 8441 §5); for logs. */
  readonly sentAs?: RequestHead;
}

/** The control data and fields of a response. */
export interface ResponseHead {
  readonly status: number;
  readonly fields: FieldSection;
  /** As in {@link RequestHead}; -1 also for content that the connection's close ends. */
  readonly contentLength: number;
  /** Neither content nor trailers follow: where that can be said with the head, it is. */
  readonly isAlone?: true;
}
