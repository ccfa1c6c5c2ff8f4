/** What an operator says of a handler: plain data, as it crosses to its process and threads. */
export interface HandlerOptions {
  /** Absolute path of the module. */
  readonly file: string;
  readonly threads: number;
  /** Of each thread: its heap, and what its buffers hold beside it. */
  readonly memoryBytes: number;
  /** Longest time that a thread may be at work without a turn of its event loop. */
  readonly busyMsMax: number;
  /** What the module finds as `context.env`. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * threads: one that is ended leaves one that serves. memoryBytes: twice what a large app with its
 * libraries holds. busyMsMax: a page that is rendered for seconds is slow, one for ten hangs.
 */
export const plainHandler: Omit<HandlerOptions, 'file'> = {
  threads: 2,
  memoryBytes: 256 * 2 ** 20,
  busyMsMax: 10_000,
  env: {},
};
