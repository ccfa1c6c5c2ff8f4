/** Where a thread is that does not come back: a debugger holds it and says, whatever it is doing. */
import { Session } from 'node:inspector';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { after, shownElsewhere } from '../base/owned.ts';

/** One that waits for a lock never answers. Milliseconds. */
const ANSWER_MS_MAX = 10_000;

/** Of its limit. */
const HEAP_SHARE_MAX = 0.5;

/** Number of the third message. */
const RESUMED = 3;

/** As the protocol has it: both numbers count from 0. */
interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  readonly location: {
    readonly scriptId: string;
    readonly lineNumber: number;
    readonly columnNumber: number;
  };
}

type Message =
  | { readonly id: number; readonly method?: undefined }
  | {
      readonly method: 'Debugger.scriptParsed';
      readonly params: { readonly scriptId: string; readonly url: string };
    }
  | {
      readonly method: 'Debugger.paused';
      readonly params: { readonly callFrames: readonly CallFrame[] };
    };

/**
 * Lines as of a stack, innermost first, each after a line break; '' when it does not say. A thread that
 * looks for memory is left alone: V8 would not end it at its limit while a debugger listens.
 */
export async function busyStack(worker: Worker): Promise<string> {
  return (await hasRoom(worker)) ? stackOf(worker) : '';
}

async function hasRoom(worker: Worker): Promise<boolean> {
  const figures = worker.getHeapStatistics().catch(() => null);
  const found = await Promise.race([figures, sleep(ANSWER_MS_MAX, null, { ref: false })]);
  return found !== null && found.used_heap_size < HEAP_SHARE_MAX * found.heap_size_limit;
}

function stackOf({ threadId }: Worker): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const session = new Session();
  const urls = new Map<string, string>();
  let stack = '';
  const timer = after(ANSWER_MS_MAX, () => resolve(''), shownElsewhere);
  let id = 0;
  const say = (sessionId: string, method: string) => {
    const message = JSON.stringify({ id: ++id, method });
    session.post('NodeWorker.sendMessageToWorker', { sessionId, message });
  };
  session.on('NodeWorker.attachedToWorker', ({ params }) => {
    const { sessionId, workerInfo } = params;
    // Its workerId is a number of the session's own.
    if (!workerInfo.title.startsWith(`[worker ${threadId}]`)) return;
    say(sessionId, 'Debugger.enable');
    say(sessionId, 'Debugger.pause');
  });
  session.on('NodeWorker.receivedMessageFromWorker', ({ params }) => {
    const message = JSON.parse(params.message) as Message;
    if (message.method === 'Debugger.scriptParsed') {
      urls.set(message.params.scriptId, message.params.url);
    } else if (message.method === 'Debugger.paused') {
      stack = message.params.callFrames.map((frame) => lineOf(frame, urls)).join('');
      // A thread that is held cannot be ended.
      say(params.sessionId, 'Debugger.resume');
    } else if (message.id === RESUMED) {
      resolve(stack);
    }
  });
  session.connect();
  session.post('NodeWorker.enable', { waitForDebuggerOnStart: false });
  return promise.finally(() => {
    clearTimeout(timer);
    session.disconnect();
  });
}

function lineOf({ functionName, url, location }: CallFrame, urls: Map<string, string>): string {
  const file = url === '' ? (urls.get(location.scriptId) ?? '') : url;
  const place = `${file}:${location.lineNumber + 1}:${location.columnNumber + 1}`;
  return `\n    at ${functionName === '' ? '<anonymous>' : functionName} (${place})`;
}
