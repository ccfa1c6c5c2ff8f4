/** A thread in which plugins run to be looked at: what they are, and whether they can be set up. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Hooks, PluginDefinition } from './api.ts';
import { wordsOf } from './faults.ts';
import { changedIntrinsics } from './intrinsics.ts';
import { runPlugin } from './module.ts';
import { type HookName, hookNames, type PluginModule } from './options.ts';
import { checkedHooks } from './plugin-set.ts';
import type { TrialAnswer, TrialQuestion } from './plugin-trial.ts';

const plugins = workerData as readonly (readonly PluginModule[])[];
const definitions: PluginDefinition<unknown>[] = [];

function answerTo(question: TrialQuestion): TrialAnswer {
  try {
    const { index } = question;
    changedIntrinsics();
    const answer = question.kind === 'describe' ? described(index) : setUp(index, question.options);
    const changed = changedIntrinsics();
    if (changed.length === 0) return answer;
    return { problem: `it changes ${changed.slice(0, 5).join(', ')}, which all code uses` };
  } catch (error) {
    return { problem: wordsOf(error) };
  }
}

function described(index: number): TrialAnswer {
  const definition = runPlugin(plugins[index]!, 'plugin');
  definitions[index] = definition;
  const { name, onFault = null, options } = definition;
  const schema = options ?? null;
  return { name, onFault, schema };
}

function setUp(index: number, options: unknown): TrialAnswer {
  const hooks = checkedHooks(definitions[index]!.setup(options, { log() {} }));
  return { hooks: hookNames.filter((name: HookName) => (hooks as Hooks)[name] !== undefined) };
}

parentPort!.on('message', (question: TrialQuestion) => parentPort!.postMessage(answerTo(question)));
