export interface PluginLimits {
  /**
   * Milliseconds that an asynchronous hook may hold its request, unless the key `timeout` says otherwise:
   * long for a question to a machine nearby, and short for a client.
   */
  readonly timeoutMs: number;
  /**
   * Milliseconds of processor time that one call may take without being counted as a fault: everybody on the
   * worker waits meanwhile, and a hook takes some microseconds.
   */
  readonly longCallMs: number;
  /** Bytes of a response that a hook makes: it is held in memory, and more is what origins are for. */
  readonly answerBytesMax: number;
  /** Milliseconds between two lines about one fault of one hook; those between are counted. */
  readonly logIntervalMs: number;
}

export const defaultPluginLimits: PluginLimits = {
  timeoutMs: 1_000,
  longCallMs: 20,
  answerBytesMax: 1_048_576,
  logIntervalMs: 10_000,
};
