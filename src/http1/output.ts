/** Where an HTTP/1 connection writes to. A channel of the proxy is one. */
export interface Http1Output {
  /** Consumes the bytes; false when the caller should wait for `onWritable`. */
  write(bytes: Uint8Array): boolean;
  /** Bytes that are worth one `write`: more only wait, fewer take longer. */
  readonly bytesAtOnce: number;
  /**
   * Room for `length` bytes in `buffer`: returns where they go, or -1 when there is none and `write`
   * must be used. What was written there is sent by `commit(end)`.
   */
  reserve(length: number): number;
  readonly buffer: Buffer;
  commit(end: number): boolean;
  /** Ends our side in order. */
  end(): void;
  /** Breaks the connection off. */
  reset(): void;
  pauseReading(): void;
  resumeReading(): void;
}
