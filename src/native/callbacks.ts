/**
 * Native function pointers into JavaScript. An exception that leaves one aborts the process, so
 * every callback is wrapped here: it returns `onThrow`, and the fault is counted and kept for the
 * caller of the native function to look at.
 */
import { counted } from './counters.ts';
import { registerRawCallback, type Signature, unregisterRawCallback } from './load.ts';

const faults: unknown[] = [];
const FAULTS_KEPT_MAX = 16;
let faultCount = 0;

/** How many exceptions callbacks have swallowed since the start. */
export function callbackFaultCount(): number {
  return faultCount;
}

/** Takes the exceptions swallowed since the last call, at most 16, oldest first. */
export function takeCallbackFaults(): unknown[] {
  return faults.splice(0);
}

export class Callback implements Disposable {
  /** For native/ only. */
  readonly pointer: bigint;
  #closed = false;

  constructor(
    signature: Signature,
    body: (...args: never[]) => number | bigint | undefined,
    onThrow: number | bigint | undefined,
  ) {
    this.pointer = registerRawCallback(signature, (...args: never[]) => {
      try {
        return body(...args);
      } catch (error) {
        faultCount++;
        if (faults.length < FAULTS_KEPT_MAX) faults.push(error);
        return onThrow;
      }
    });
    counted('callback', 1);
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    unregisterRawCallback(this.pointer);
    counted('callback', -1);
  }
}
