/**
 * Work that nobody waits for. Whoever starts it says what its failure means: a rejection without an
 * owner would end the process, whatever part it came from.
 */

/** What becomes of an exception or a rejection. Does not throw. */
export type OnFault = (error: unknown) => void;

/** Leaves a promise to itself; `onFault` has its rejection. Nothing for undefined. */
export function owned(promise: Promise<unknown> | undefined, onFault: OnFault): void {
  promise?.then(undefined, onFault);
}

/**
 * The owner of what may not fail: the failure ends the process with its stack, as an assertion that
 * fails does. For processes whose end somebody mends, which workers are.
 */
export function endProcess(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}

/** The owner of what never rejects by its own word, or whose failure shows elsewhere by itself. */
export function shownElsewhere(_error: unknown): void {}

/**
 * Does `body` once, after `ms`, unless its timer is cleared before. What it throws, or rejects with,
 * is `onFault`'s. The process lives until then, but for `.unref()`.
 */
export function after(ms: number, body: () => unknown, onFault: OnFault): NodeJS.Timeout {
  const once = async () => {
    await body();
  };
  return setTimeout(() => owned(once(), onFault), ms);
}

/**
 * Does `body` every `intervalMs`, until it is disposed of; it keeps no process alive. A round that
 * fails is `onFault`'s, and the next one comes. Rounds that take longer do not overlap.
 */
export function repeated(
  intervalMs: number,
  body: () => void | Promise<void>,
  onFault: OnFault,
): Disposable {
  let isUnderWay = false;
  const round = async () => {
    if (isUnderWay) return;
    isUnderWay = true;
    try {
      await body();
    } finally {
      isUnderWay = false;
    }
  };
  const timer = setInterval(() => owned(round(), onFault), intervalMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
