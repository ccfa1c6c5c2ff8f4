/** What there is to say of each command, from the tables that it is made of: help, reference, man pages. */
import { helpText } from '../config/reference.ts';
import type { Commands } from './command.ts';
import { commandArguments, type FlagText, flagText } from './command-flags.ts';

export interface CommandHelp {
  readonly name: string;
  /** Of `sluice --help`: as `sluice cache list`, and what it does. */
  readonly usages: readonly Usage[];
  /** By action; '' for a command without actions. In their order. */
  readonly flags: ReadonlyMap<string, readonly FlagHelp[]>;
  /** Whether it takes the flags of `sluice run` as well. */
  readonly takesOptions: boolean;
}

export interface Usage {
  readonly text: string;
  readonly summary: string;
}

export interface FlagHelp extends FlagText {
  readonly name: string;
}

/** Those that have no arguments of their own. */
const OTHERS = ['run', 'demo', 'help', 'version'];
/** They take the flags of `sluice run`. */
const SERVING = ['run', 'demo', 'exec'];

/** Every command, in the order of the alphabet. */
export async function commandHelps(commands: Commands): Promise<CommandHelp[]> {
  const own = (await commandArguments(commands)).map(({ name, flags, actions }) => {
    const all =
      Object.entries(actions).length > 0 ? Object.entries(actions) : [['', flags] as const];
    const helps = all.map(
      ([action, of]) => [action, Object.keys(of).map((flag) => helpOf(name, flag))] as const,
    );
    return { name, flags: new Map(helps) };
  });
  return [...own, ...OTHERS.map((name) => ({ name, flags: new Map<string, FlagHelp[]>() }))]
    .map((one) => ({
      ...one,
      usages: usagesOf(one.name),
      takesOptions: SERVING.includes(one.name),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function helpOf(command: string, name: string): FlagHelp {
  return { name, ...flagText(name, command)! };
}

/** The lines of the help of all that are about one command. */
export function usagesOf(command: string): Usage[] {
  return helpText()
    .split('\n')
    .flatMap((line) => {
      if (!line.startsWith('  sluice ')) return [];
      const end = line.indexOf('  ', 2);
      const [text, summary] = [line.slice(2, end), line.slice(end).trimStart()];
      if (end === -1) return [];
      // `run` may be left out.
      const name = text.split(' ')[1]!.replace(/^\[run\]$|^FILE\.yaml$/, 'run');
      return name === command ? [{ text, summary }] : [];
    });
}
