/** What a worker's end was, in the words of an incident. Pure. */
import { durationText } from '../../base/duration-text.ts';
import type { DeathReport } from '../../triage/assemble.ts';

export interface WorkerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Milliseconds without a turn of the event loop, when the watchdog ended it; 0 otherwise. */
  readonly silentMs: number;
  /** Milliseconds without ever serving, when it was ended for that. */
  readonly hungAtStartMs?: number;
}

/** `outOfMemory`: whether the kernel counted a kill for memory meanwhile; null when unknown. */
export function explainExit(
  { code, signal, silentMs, hungAtStartMs = 0 }: WorkerExit,
  outOfMemory: boolean | null,
): Pick<DeathReport, 'kind' | 'death'> {
  const isSilent = silentMs > 0;
  const isHungAtStart = hungAtStartMs > 0;
  const isKilled = signal === 'SIGKILL' && !isSilent && !isHungAtStart;
  const death = {
    signal,
    exitCode: code,
    silentMs: isSilent ? silentMs : null,
    outOfMemory: isKilled ? outOfMemory : false,
  };
  if (isHungAtStart) {
    const time = durationText(hungAtStartMs);
    const summary = `hung: it did not serve ${time} after its start, and was ended`;
    return { kind: 'hang', death: { ...death, summary } };
  }
  if (isSilent) {
    const time = durationText(silentMs);
    const summary = `hung: its event loop was blocked for ${time}, and the watchdog ended it`;
    return { kind: 'hang', death: { ...death, summary } };
  }
  if (isKilled) {
    const why =
      outOfMemory === true
        ? 'for want of memory'
        : outOfMemory === null
          ? 'perhaps for want of memory'
          : 'from outside: the kernel counted no kill for lack of memory';
    return { kind: 'killed', death: { ...death, summary: `was killed by SIGKILL, ${why}` } };
  }
  if (signal !== null) {
    return { kind: 'crash', death: { ...death, summary: `was killed by ${signal}` } };
  }
  return { kind: 'exit', death: { ...death, summary: `ended by itself with exit code ${code}` } };
}

/** For a recording that was found at the start: nobody was there to see its process die. */
export function explainLoss({
  isInsideCall,
  hasException,
}: {
  readonly isInsideCall: boolean;
  /** An exception that nobody caught was the last that it noted. */
  readonly hasException: boolean;
}): Pick<DeathReport, 'kind' | 'death'> {
  if (hasException) {
    const summary = 'ended with an exception (found at the next start)';
    const death = { summary, signal: null, exitCode: 1, silentMs: null, outOfMemory: false };
    return { kind: 'exit', death };
  }
  const summary = isInsideCall
    ? 'died inside a native call, in an unknown way (found at the next start)'
    : 'died or was killed, in an unknown way (found at the next start)';
  const death = { summary, signal: null, exitCode: null, silentMs: null, outOfMemory: null };
  return { kind: isInsideCall ? 'crash' : 'killed', death };
}
