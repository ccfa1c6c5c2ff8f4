/** `sluice features`: which features are disabled, by whom and until when, and the operator's say. */
import { durationText } from '../base/duration-text.ts';
import {
  type ActionArguments,
  onlyArgument,
  parseActionArguments,
  printAnswer,
  refuseArguments,
} from './action-arguments.ts';
import { askAdmin } from './admin-client.ts';
import type { Command } from './command.ts';

/** True for flags with a value. */
const FLAGS = {
  list: { admin: true, json: false },
  disable: { admin: true, json: false },
  enable: { admin: true, json: false },
  reset: { admin: true, json: false },
};

export const featuresCommand: Command = { flags: FLAGS, run };

interface RollbackReport {
  readonly enabled: boolean;
  readonly deathsMax: number;
  readonly windowMs: number;
  readonly rollbacks: readonly {
    readonly name: string;
    readonly state: string;
    /** '' for none. */
    readonly incident: string;
    readonly reason: string;
    readonly since: string;
    readonly until: string | null;
  }[];
  readonly refused: readonly string[];
  readonly steps: readonly { readonly time: string; readonly message: string }[];
}

/** Resolves with the exit code. Throws UsageError. */
async function run(args: readonly string[]): Promise<number> {
  const parsed = parseActionArguments('features', FLAGS, args);
  const report = (await askAdmin(parsed, '/features', bodyOf(parsed))) as RollbackReport;
  printAnswer(parsed, report, linesOf(report));
  return 0;
}

function bodyOf(args: ActionArguments<keyof typeof FLAGS>): object | undefined {
  switch (args.action) {
    case 'list':
      refuseArguments(args, 'write features list');
      return undefined;
    case 'reset':
      refuseArguments(args, 'write features reset');
      return { reset: true };
    case 'disable':
    case 'enable':
      return { [args.action]: onlyArgument(args, 'NAME') };
  }
}

function linesOf(report: RollbackReport): string[] {
  const { enabled, deathsMax, windowMs, rollbacks, refused, steps } = report;
  const lines = enabled ? [] : ['automatic rollback is off: no feature is disabled by itself'];
  if (rollbacks.length === 0) {
    lines.push(
      `no feature is disabled: ${deathsMax} deaths of a kind in ${durationText(windowMs)} would disable one`,
    );
  }
  for (const { name, state, incident, reason, until } of rollbacks) {
    lines.push(
      `${name.padEnd(28)} ${stateText(state, incident)}, ${until ?? 'until further notice'}`,
    );
    lines.push(`  because ${reason}`);
  }
  for (const fingerprint of refused) lines.push(`refused ClientHello: ${fingerprint}`);
  for (const { time, message } of steps.slice(-10)) lines.push(`${time}  ${message}`);
  return lines;
}

/** An operator reads whether it is on, and who decided that. */
function stateText(state: string, incident: string): string {
  if (state === 'manual') return 'disabled by operator';
  if (state === 'watched') return 'enabled (watched: the next death disables it)';
  const facts = incident === '' ? [] : [`incident ${incident}`];
  if (state === 'trying') facts.push('checking whether that helps');
  return `disabled automatically${facts.length === 0 ? '' : ` (${facts.join('; ')})`}`;
}
