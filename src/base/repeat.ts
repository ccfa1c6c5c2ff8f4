/**
 * A timer whose body may fail without ending the process: what looks at things now and then is worth
 * less than what it looks at. A failure is told once, until the body has gone well again.
 */

/** Begins at once, and keeps the process alive until it is cleared or `unref` is called. */
export function repeat(
  intervalMs: number,
  body: () => void,
  tell: (error: Error) => void,
): NodeJS.Timeout {
  let isFailing = false;
  return setInterval(() => {
    try {
      body();
      isFailing = false;
    } catch (error) {
      if (!isFailing) tell(error as Error);
      isFailing = true;
    }
  }, intervalMs);
}
