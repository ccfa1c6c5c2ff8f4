/** Limits on HTTP/1 messages. Bytes unless said otherwise. */
export interface Http1Limits {
  /** Request line (414) or status line. RFC 9112 §3 asks for 8,000; nginx: 8 KiB; ATS: 64 KiB. */
  readonly startLineBytesMax: number;
  /** Start line and headers together (431). nginx: 4 × 8 KiB; Node: 16 KiB; ATS: 128 KiB. */
  readonly headBytesMax: number;
  /** Headers (431); at most 256. HAProxy: 101; Apache: 100. */
  readonly fieldLinesMax: number;
  /** Empty lines before a request line (RFC 9112 §2.2: at least one); before responses, none. */
  readonly emptyLinesMax: number;
  /**
   * Spaces and tabs between a name and its colon in a response, which RFC 9112 §5.1 has a proxy
   * remove; in requests, none. A server that sends any sends one.
   */
  readonly blanksBeforeColonMax: number;
  /** A chunk-size line with its extensions. No client needs extensions; CVE-2023-39326 abused them. */
  readonly chunkLineBytesMax: number;
  /** Extensions in all of one message. */
  readonly chunkExtensionBytesMax: number;
  /** The trailer section (431). */
  readonly trailerBytesMax: number;
  /** Trailers (431); at most 256. gRPC sends three. */
  readonly trailerLinesMax: number;
  /** Interim responses per exchange: a status line costs the origin 20 bytes, and us a call. */
  readonly informationalMax: number;
  /**
   * Request content read and dropped after its response has ended, so that the client reads the
   * response instead of a reset (RFC 9112 §9.6); and once more after our side has closed.
   */
  readonly drainBytesMax: number;
  /**
   * Bytes kept that cannot be processed yet (pipelined requests, the body of a paused one); beyond
   * it reading pauses. What one read has brought comes on top.
   */
  readonly backlogBytesMax: number;
}

export const defaultHttp1Limits: Http1Limits = {
  startLineBytesMax: 16_384,
  headBytesMax: 65_536,
  fieldLinesMax: 128,
  emptyLinesMax: 4,
  blanksBeforeColonMax: 8,
  chunkLineBytesMax: 256,
  chunkExtensionBytesMax: 16_384,
  trailerBytesMax: 16_384,
  trailerLinesMax: 64,
  informationalMax: 64,
  drainBytesMax: 262_144,
  backlogBytesMax: 65_536,
};
