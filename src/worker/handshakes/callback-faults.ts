/**
 * Tells of exceptions that have come out of our callbacks into native code. Nothing else would: what
 * OpenSSL makes of one looks like a fault of the client, or like none.
 */
import { inspect } from 'node:util';
import {
  type CallbackFaults,
  lastCallbackFault,
  listenToCallbackFaults,
} from '../../native/callbacks.ts';
import type { Report } from '../../telemetry/log-event.ts';

/** Between two lines about one callback, at least: the first is written at once. */
export const CALLBACK_FAULT_LINE_MS = 10_000;

interface CallbackFaultInput {
  count(name: string, count: number): void;
  readonly report: Report;
  readonly monotonicMs: () => number;
}

interface Told {
  atMs: number;
  untold: number;
}

/** From now on, until it is disposed of. There is one at a time in a process. */
export function tellCallbackFaults(input: CallbackFaultInput): Disposable {
  const told = new Map<string, Told>();
  listenToCallbackFaults((faults) => {
    const { name, count, error } = faults;
    input.count(name, count);
    const nowMs = input.monotonicMs();
    const before = told.get(name);
    if (before !== undefined && nowMs - before.atMs < CALLBACK_FAULT_LINE_MS) {
      before.untold += count;
      return;
    }
    told.set(name, { atMs: nowMs, untold: 0 });
    input.report(textOf(faults, before?.untold ?? 0), {
      level: 'error',
      subsystem: 'tls',
      event: 'callback-failed',
      fields: {
        callback: name,
        count: count + (before?.untold ?? 0),
        stack: stackOf(error),
      },
    });
  });
  return { [Symbol.dispose]: () => listenToCallbackFaults(null) };
}

/** Message and stack of what came out of this callback last; '' when another one has failed since. */
export function lastFaultText(name: string): string {
  const fault = lastCallbackFault();
  return fault?.name === name ? stackOf(fault.error) : '';
}

function textOf({ name, count, error }: CallbackFaults, untold: number): string {
  const times = count + untold === 1 ? '' : ` (${count + untold} times)`;
  return `an exception of sluice itself in the callback ${name}${times}: ${stackOf(error)}`;
}

/** What is thrown need not be an error. */
function stackOf(error: unknown): string {
  return error instanceof Error && error.stack !== undefined ? error.stack : inspect(error);
}
