/** `sluice features`: what was switched off because workers died, and the operator's say in it. */
import { durationText } from '../base/duration-text.ts';
import {
  type ActionWords,
  onlyArgument,
  parseActionWords,
  printAnswer,
  refuseArguments,
} from './action-words.ts';
import { askAdmin } from './admin-client.ts';
import type { Command } from './command.ts';

/** True for flags with a value. */
const FLAGS = {
  list: { admin: true, json: false },
  off: { admin: true, json: false },
  on: { admin: true, json: false },
  reset: { admin: true, json: false },
};

export const rollbackCommand: Command = { flags: FLAGS, run };

interface RollbackReport {
  readonly enabled: boolean;
  readonly deathsMax: number;
  readonly windowMs: number;
  readonly rollbacks: readonly {
    readonly name: string;
    readonly state: string;
    readonly reason: string;
    readonly since: string;
    readonly until: string | null;
  }[];
  readonly refused: readonly string[];
  readonly steps: readonly { readonly time: string; readonly message: string }[];
}

/** Resolves with the exit code. Throws UsageError. */
async function run(words: readonly string[]): Promise<number> {
  const parsed = parseActionWords('rollback', FLAGS, words);
  const report = (await askAdmin(parsed, '/features', bodyOf(parsed))) as RollbackReport;
  printAnswer(parsed, report, linesOf(report));
  return 0;
}

function bodyOf(words: ActionWords<keyof typeof FLAGS>): object | undefined {
  switch (words.action) {
    case 'list':
      refuseArguments(words, 'write rollback list');
      return undefined;
    case 'reset':
      refuseArguments(words, 'write rollback reset');
      return { reset: true };
    case 'off':
    case 'on':
      return { [words.action]: onlyArgument(words, 'NAME') };
  }
}

function linesOf(report: RollbackReport): string[] {
  const { enabled, deathsMax, windowMs, rollbacks, refused, steps } = report;
  const lines = enabled ? [] : ['rollbacks are off: they do nothing by themselves'];
  if (rollbacks.length === 0) {
    lines.push(
      `no rollback has blown: ${deathsMax} deaths of a kind in ${durationText(windowMs)} are needed`,
    );
  }
  for (const { name, state, reason, until } of rollbacks) {
    lines.push(`${name.padEnd(28)} ${state.padEnd(8)} ${until ?? 'until further notice'}`);
    lines.push(`  because ${reason}`);
  }
  for (const fingerprint of refused) lines.push(`refused ClientHello: ${fingerprint}`);
  for (const { time, message } of steps.slice(-10)) lines.push(`${time}  ${message}`);
  return lines;
}
