/** Runs plugins in a thread that is thrown away, to learn what they are; see `trial-thread.ts`. */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { FaultPolicy } from './api.ts';
import type { HookName, PluginModule } from './options.ts';

/** Milliseconds for one plugin to run, or to be set up: much more than that is no start. */
const TRIAL_MS = 10_000;
/** MiB of memory for all. */
const TRIAL_MEMORY_MIB = 512;

export interface DescribedPlugin {
  readonly name: string;
  readonly onFault: FaultPolicy | null;
  /** JSON Schema of its options; null for none. */
  readonly schema: object | null;
}

export interface TrialProblem {
  readonly problem: string;
}

export type TrialQuestion =
  | { readonly kind: 'describe'; readonly index: number }
  | { readonly kind: 'set-up'; readonly index: number; readonly options: unknown };

export type TrialAnswer = DescribedPlugin | { readonly hooks: readonly HookName[] } | TrialProblem;

export class PluginTrial implements AsyncDisposable {
  readonly #modules: readonly (readonly PluginModule[])[];
  #thread: Worker | null = null;

  /** The modules of each plugin. */
  constructor(modules: readonly (readonly PluginModule[])[]) {
    this.#modules = modules;
  }

  async describe(index: number): Promise<DescribedPlugin | TrialProblem> {
    return (await this.#ask({ kind: 'describe', index })) as DescribedPlugin | TrialProblem;
  }

  async setUp(
    index: number,
    options: unknown,
  ): Promise<{ readonly hooks: readonly HookName[] } | TrialProblem> {
    const answer = await this.#ask({ kind: 'set-up', index, options });
    return answer as { readonly hooks: readonly HookName[] } | TrialProblem;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread?.terminate();
  }

  /** After a fault that has ended the thread the next question has another one. */
  async #ask(question: TrialQuestion): Promise<TrialAnswer> {
    const thread = (this.#thread ??= this.#start());
    const asked = new AbortController();
    const { signal } = asked;
    const timer = setTimeout(() => asked.abort(), TRIAL_MS);
    thread.postMessage(question);
    try {
      const ended = async () => {
        await once(thread, 'exit', { signal });
        return { problem: 'it ends the process that it runs in' };
      };
      const answered = async () => {
        const [answer] = (await once(thread, 'message', { signal })) as [TrialAnswer];
        return answer;
      };
      return await Promise.race([answered(), ended()]);
    } catch (error) {
      if (!signal.aborted) return { problem: (error as Error).message };
      return { problem: `it does not come to an end within ${TRIAL_MS / 1000} s` };
    } finally {
      clearTimeout(timer);
      const isWell = !signal.aborted && thread.threadId !== -1;
      asked.abort();
      if (!isWell) await this.#end(thread);
    }
  }

  async #end(thread: Worker): Promise<void> {
    await thread.terminate();
    this.#thread = null;
  }

  #start(): Worker {
    const name = import.meta.url.endsWith('.ts') ? 'trial-thread.ts' : 'trial-thread.js';
    const thread = new Worker(fileURLToPath(new URL(name, import.meta.url)), {
      workerData: this.#modules,
      resourceLimits: { maxOldGenerationSizeMb: TRIAL_MEMORY_MIB },
    });
    // Whoever asks hears of it; after that nobody needs to.
    thread.on('error', () => {});
    return thread;
  }
}
