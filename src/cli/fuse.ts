/** `sluice fuse`: what was switched off because workers died, and the operator's say in it. */
import { durationText } from '../base/duration-text.ts';
import {
  type ActionWords,
  onlyArgument,
  parseActionWords,
  printAnswer,
  refuseArguments,
} from './action-words.ts';
import { askAdmin } from './admin-client.ts';

/** True for flags with a value. */
export const FLAGS = {
  list: { admin: true, json: false },
  off: { admin: true, json: false },
  on: { admin: true, json: false },
  reset: { admin: true, json: false },
};

interface FuseReport {
  readonly enabled: boolean;
  readonly deathsMax: number;
  readonly windowMs: number;
  readonly fuses: readonly {
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
export async function fuseCommand(words: readonly string[]): Promise<number> {
  const parsed = parseActionWords('fuse', FLAGS, words);
  const report = (await askAdmin(parsed, '/fuses', bodyOf(parsed))) as FuseReport;
  printAnswer(parsed, report, linesOf(report));
  return 0;
}

function bodyOf(words: ActionWords<keyof typeof FLAGS>): object | undefined {
  switch (words.action) {
    case 'list':
      refuseArguments(words, 'write fuse list');
      return undefined;
    case 'reset':
      refuseArguments(words, 'write fuse reset');
      return { reset: true };
    case 'off':
    case 'on':
      return { [words.action]: onlyArgument(words, 'NAME') };
  }
}

function linesOf(report: FuseReport): string[] {
  const { enabled, deathsMax, windowMs, fuses, refused, steps } = report;
  const lines = enabled ? [] : ['fuses are off: they do nothing by themselves'];
  if (fuses.length === 0) {
    lines.push(
      `no fuse has blown: ${deathsMax} deaths of a kind in ${durationText(windowMs)} are needed`,
    );
  }
  for (const { name, state, reason, until } of fuses) {
    lines.push(`${name.padEnd(28)} ${state.padEnd(8)} ${until ?? 'until further notice'}`);
    lines.push(`  because ${reason}`);
  }
  for (const fingerprint of refused) lines.push(`refused ClientHello: ${fingerprint}`);
  for (const { time, message } of steps.slice(-10)) lines.push(`${time}  ${message}`);
  return lines;
}
