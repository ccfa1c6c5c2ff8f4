/** Which words each command takes: for the completion of shells. */
import type { Commands, Flags } from './command.ts';

export interface CommandArguments {
  readonly name: string;
  /** Of a command without actions. */
  readonly flags: Flags;
  /** Empty for a command that has none. */
  readonly actions: Readonly<Record<string, Flags>>;
}

/** Of every command but `run` and `demo`, whose flags are the options. */
export function commandArguments(commands: Commands): Promise<CommandArguments[]> {
  return Promise.all(
    Object.entries(commands).map(async ([name, load]) => {
      const { flags: table } = await load();
      const isOfActions = Object.values(table).some((value) => typeof value === 'object');
      return isOfActions
        ? { name, flags: {}, actions: table as Readonly<Record<string, Flags>> }
        : { name, flags: table as Flags, actions: {} };
    }),
  );
}

/**
 * What `sluice COMMAND --help` says of its flags: a line for each action, or the one of the command.
 */
export async function flagLines(command: string, commands: Commands): Promise<string> {
  const words = (await commandArguments(commands)).find(({ name }) => name === command);
  if (words === undefined) return '';
  const { flags, actions } = words;
  const all = Object.entries(actions).length > 0 ? Object.entries(actions) : [['', flags] as const];
  return all
    .filter(([, of]) => Object.keys(of).length > 0)
    .map(([action, of]) => `  flags${action === '' ? '' : ` of ${action}`}: ${flagsText(of)}\n`)
    .join('');
}

function flagsText(flags: Flags): string {
  const entries = Object.entries(flags);
  return entries.map(([name, hasValue]) => `--${name}${hasValue ? ' …' : ''}`).join('  ');
}
