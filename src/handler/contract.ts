/** What is said between the supervisor, a handler's process and its threads: plain data. */
import type { HANDLER_FAULTS } from '../telemetry/metric-table.ts';
import type { HandlerOptions } from './options.ts';

export type HandlerFaultKind = (typeof HANDLER_FAULTS)[number];

export interface HandlerFault {
  readonly kind: HandlerFaultKind;
  /** Index of the thread; -1 for the process. */
  readonly thread: number;
  /** The stack, or what there is in its place. */
  readonly stack: string;
  /** How often it has happened since the report before. */
  readonly count: number;
}

export interface HostSetup {
  readonly name: string;
  readonly options: HandlerOptions;
  /** Where thread `i` listens; it appears there when it serves. */
  readonly sockets: readonly string[];
}

export type HostCommand =
  | { readonly type: 'start'; readonly setup: HostSetup }
  /** From now on the threads listen at those of their sockets. */
  | { readonly type: 'publish'; readonly threads: readonly number[] }
  /** Another process has its place: it ends when its last request has. */
  | Drain;

/** `leastMs`: connections to its old sockets may be on their way so long. */
export interface Drain {
  readonly type: 'drain';
  readonly leastMs: number;
  readonly timeoutMs: number;
}

/** A file that a thread has loaded, and as what it found it. */
export type LoadedFile = readonly [path: string, stamp: string];

export type HostReport =
  /** All threads have loaded the module. */
  | { readonly type: 'ready' }
  /** They could not. */
  | { readonly type: 'failed'; readonly message: string }
  | { readonly type: 'published' }
  | { readonly type: 'files'; readonly files: readonly LoadedFile[] }
  | { readonly type: 'fault'; readonly fault: HandlerFault }
  /** A thread is restarted; `delayMs` before. */
  | { readonly type: 'restart'; readonly thread: number; readonly delayMs: number };

export interface ThreadSetup {
  readonly name: string;
  readonly options: HandlerOptions;
  readonly thread: number;
  /** Where to listen at first. */
  readonly socket: string;
  /** See THREAD_WORDS. */
  readonly words: Int32Array<SharedArrayBuffer>;
}

/** Turns of the thread's event loop, and KiB of memory beside its heap. */
export const THREAD_WORDS = { beats: 0, outsideKib: 1, length: 2 } as const;

/** How often a thread turns the first word. Milliseconds. */
export const BEAT_MS = 100;

export type ThreadReport =
  | { readonly type: 'ready' }
  | { readonly type: 'files'; readonly files: readonly LoadedFile[] }
  | { readonly type: 'fault'; readonly fault: HandlerFault };

/** The stack of whatever was thrown, with its causes. */
export function faultText(error: unknown): string {
  if (!(error instanceof Error)) return `${typeof error}: ${String(error)}`;
  const own = error.stack ?? `${error.name}: ${error.message}`;
  return error.cause === undefined ? own : `${own}\ncaused by ${faultText(error.cause)}`;
}
