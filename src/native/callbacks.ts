/**
 * Native function pointers into JavaScript. An exception that leaves one aborts the process, so
 * every callback is wrapped here: it returns `onThrow`. Such an exception is a fault of ours and of
 * nobody else. It is counted, kept for the caller of the native function to look at, and told by
 * name as soon as native code has returned.
 */
import { counted } from './counters.ts';
import { registerRawCallback, type Signature, unregisterRawCallback } from './load.ts';

/** Every callback there is, by what calls it. */
export const CALLBACK_NAMES = [
  'client-hello',
  'early-data',
  'ticket-key',
  'ticket-made',
  'ticket-returned',
  'alpn',
  'certificate-status',
  'key-log',
  'info',
  'quic-send',
  'quic-receive',
  'quic-release',
  'quic-secret',
  'quic-parameters',
  'quic-alert',
  'uv-poll',
  'uv-close',
] as const;
export type CallbackName = (typeof CALLBACK_NAMES)[number];

/** An exception that a callback has let go. */
export interface CallbackFault {
  readonly name: CallbackName;
  readonly error: unknown;
}

/** Faults of one callback since the last word about it. */
export interface CallbackFaults extends CallbackFault {
  readonly count: number;
}

let faultCount = 0;
let lastFault: CallbackFault | null = null;
const untold = new Map<CallbackName, CallbackFaults>();
let tell: ((faults: CallbackFaults) => void) | null = null;
let isTelling = false;

/** How many exceptions callbacks have let go since the start. */
export function callbackFaultCount(): number {
  return faultCount;
}

/** The last of them; null before the first. */
export function lastCallbackFault(): CallbackFault | null {
  return lastFault;
}

/**
 * Has faults told to `listener`, those of before it at once, the others in the turn of the loop in
 * which they happen. There is one listener; null for none.
 */
export function listenToCallbackFaults(listener: ((faults: CallbackFaults) => void) | null): void {
  tell = listener;
  if (untold.size > 0) tellSoon();
}

function tellSoon(): void {
  if (isTelling || tell === null) return;
  isTelling = true;
  setImmediate(() => {
    isTelling = false;
    const all = [...untold.values()];
    untold.clear();
    for (const faults of all) tell?.(faults);
  });
}

function noteFault(name: CallbackName, error: unknown): void {
  faultCount++;
  lastFault = { name, error };
  const before = untold.get(name);
  // The first one's stack says as much as the last one's.
  untold.set(name, { name, error: before?.error ?? error, count: (before?.count ?? 0) + 1 });
  tellSoon();
}

export class Callback implements Disposable {
  /** For native/ only. */
  readonly pointer: bigint;
  #closed = false;

  constructor(
    name: CallbackName,
    signature: Signature,
    body: (...args: never[]) => number | bigint | undefined,
    onThrow: number | bigint | undefined,
  ) {
    this.pointer = registerRawCallback(signature, (...args: never[]) => {
      try {
        return body(...args);
      } catch (error) {
        noteFault(name, error);
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
