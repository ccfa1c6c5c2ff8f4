/** Limits on handlers. All times in milliseconds. */
export interface HandlerLimits {
  /** For a module to be loaded, and its thread to listen. */
  readonly handlerStartMsMax: number;
  /** For requests and `waitUntil` of a version that another has replaced. */
  readonly handlerDrainMsMax: number;
  /** A thread, or process, that lived so long was sound: its end starts a new count. */
  readonly handlerSoundLifeMs: number;
  /** Wait after the second end in a row; doubled for each further one. */
  readonly handlerRestartMsFirst: number;
  readonly handlerRestartMsMax: number;
  /** Kinds of faults that a thread tells apart between two reports. */
  readonly handlerFaultKindsMax: number;
}

/**
 * handlerStartMsMax: an app with large packages on a busy machine. handlerDrainMsMax: as long as a
 * response may take without a byte. handlerSoundLifeMs, handlerRestartMs*: as for workers.
 * handlerFaultKindsMax: more are one fault with many faces.
 */
export const defaultHandlerLimits: HandlerLimits = {
  handlerStartMsMax: 60_000,
  handlerDrainMsMax: 60_000,
  handlerSoundLifeMs: 10_000,
  handlerRestartMsFirst: 100,
  handlerRestartMsMax: 5_000,
  handlerFaultKindsMax: 32,
};

/** Milliseconds to wait; the first end of a row is answered at once. */
export function handlerRestartMs(endsInARow: number): number {
  const { handlerRestartMsFirst: first, handlerRestartMsMax: max } = defaultHandlerLimits;
  return endsInARow <= 1 ? 0 : Math.min(first * 2 ** (endsInARow - 2), max);
}
