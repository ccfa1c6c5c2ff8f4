/** Limits on HTTP/1 messages. Octets unless said otherwise. */
export interface Http1Limits {
  /** Request line or status line. Longer request targets get 414. RFC 9112 §3 asks for 8,000. */
  readonly startLineBytesMax: number;
  /** Start line and field section together (431). nginx: 4 × 8 KiB; Node: 16 KiB. */
  readonly headBytesMax: number;
  /** Field lines (431). HAProxy: 101; Apache: 100. */
  readonly fieldLinesMax: number;
  /** Empty lines before a request line (RFC 9112 §2.2 asks to ignore at least one). */
  readonly emptyLinesMax: number;
  /** A chunk-size line with its extensions. Nobody needs extensions; CVE-2023-39326 abused them. */
  readonly chunkLineBytesMax: number;
  /** Extensions in all of one message. */
  readonly chunkExtensionBytesMax: number;
  /** The trailer section. */
  readonly trailerBytesMax: number;
  /** Interim responses per exchange. */
  readonly informationalMax: number;
  /** Request content read and dropped after its response has ended, before the connection closes. */
  readonly drainBytesMax: number;
  /** Pipelined octets kept while a response is under way; beyond it reading pauses. */
  readonly backlogBytesMax: number;
}

export const defaultHttp1Limits: Http1Limits = {
  startLineBytesMax: 16_384,
  headBytesMax: 65_536,
  fieldLinesMax: 128,
  emptyLinesMax: 4,
  chunkLineBytesMax: 256,
  chunkExtensionBytesMax: 16_384,
  trailerBytesMax: 16_384,
  informationalMax: 64,
  drainBytesMax: 262_144,
  backlogBytesMax: 65_536,
};
