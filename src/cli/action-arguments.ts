/** The arguments of a command that has actions: `sluice cache purge --all`, `sluice incidents list`. */

import { UsageError } from '../base/errors.ts';
import { nearestWord } from '../config/suggestion.ts';
import { flagText } from './command-flags.ts';
import { printJson, printLines } from './terminal.ts';

/** Flags of each action; true for those with a value. */
export type ActionFlags<A extends string> = Readonly<Record<A, Readonly<Record<string, boolean>>>>;

export interface ActionArguments<A extends string = string> {
  /** `cache`. */
  readonly command: string;
  readonly action: A;
  readonly arguments: readonly string[];
  readonly flags: ReadonlyMap<string, string>;
}

/** `usual`: meant when no action is named. Throws UsageError that names the nearest word that there is. */
export function parseActionArguments<A extends string>(
  command: string,
  table: ActionFlags<A>,
  args: readonly string[],
  usual?: NoInfer<A>,
): ActionArguments<A> {
  const isNamed = args[0] !== undefined && !args[0].startsWith('--');
  const [first, ...rest] = usual === undefined || isNamed ? args : [usual, ...args];
  const actions = Object.keys(table) as A[];
  const action = actions.find((known) => known === first);
  if (action === undefined) {
    const near = first === undefined ? undefined : nearestWord(first, actions);
    const problem = first === undefined ? 'nothing to do' : `unknown ${JSON.stringify(first)}`;
    const remedy =
      near === undefined ? `write one of ${actions.join(', ')}` : `did you mean ${near}?`;
    throw new UsageError(`${command}: ${problem}`, remedy);
  }
  return { action, ...argumentsOf(`${command} ${action}`, table[action], rest), command };
}

/** The arguments of a command without actions: `sluice reload --canary 10s`. */
export function parseFlags(
  command: string,
  known: Readonly<Record<string, boolean>>,
  args: readonly string[],
): ActionArguments {
  const parsed = argumentsOf(command, known, args);
  const [unexpected] = parsed.arguments;
  if (unexpected === undefined) return { command, action: '', ...parsed };
  const problem = `${command}: unexpected ${JSON.stringify(unexpected)}`;
  throw new UsageError(problem, `its flags are ${flagList(known)}`);
}

/** The arguments of a command about one thing: `sluice triage INCIDENT --runs 5`. */
export function parseWithArgument(
  command: string,
  known: Readonly<Record<string, boolean>>,
  args: readonly string[],
  placeholder: string,
): { readonly parsed: ActionArguments; readonly argument: string } {
  const parsed = { command, action: '', ...argumentsOf(command, known, args) };
  const [argument, ...more] = parsed.arguments;
  if (argument !== undefined && more.length === 0) return { parsed, argument };
  const problem = argument === undefined ? `no ${placeholder}` : 'too many words';
  throw new UsageError(`${command}: ${problem}`, `write sluice ${command} ${placeholder}`);
}

function flagList(known: Readonly<Record<string, boolean>>): string {
  return Object.keys(known)
    .map((name) => `--${name}`)
    .join(', ');
}

function argumentsOf(
  place: string,
  known: Readonly<Record<string, boolean>>,
  args: readonly string[],
): Pick<ActionArguments, 'arguments' | 'flags'> {
  const flags = new Map<string, string>();
  const names: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (!word.startsWith('--')) {
      names.push(word);
      continue;
    }
    const equals = word.indexOf('=');
    const name = word.slice(2, equals === -1 ? undefined : equals);
    if (!Object.hasOwn(known, name)) {
      const near = nearestWord(name, Object.keys(known));
      const remedy = near === undefined ? 'see sluice --help' : `did you mean --${near}?`;
      throw new UsageError(`${place}: unknown flag --${name}`, remedy);
    }
    const value = !known[name] ? '' : equals === -1 ? args[++i] : word.slice(equals + 1);
    const isFlag = equals === -1 && value?.startsWith('--') && Object.hasOwn(known, value.slice(2));
    if (value === undefined || isFlag) {
      const wanted = flagText(name)?.placeholder ?? 'VALUE';
      throw new UsageError(`${place}: --${name}: no value`, `write --${name} ${wanted}`);
    }
    flags.set(name, value);
  }
  return { arguments: names, flags };
}

export function onlyArgument(args: ActionArguments, placeholder: string): string {
  const { command, action } = args;
  const [value, ...more] = args.arguments;
  if (value !== undefined && more.length === 0) return value;
  const problem = value === undefined ? `no ${placeholder}` : 'too many words';
  throw new UsageError(
    `${command} ${action}: ${problem}`,
    `write sluice ${command} ${action} ${placeholder}`,
  );
}

export function refuseArguments(args: ActionArguments, remedy: string): void {
  const [value] = args.arguments;
  if (value === undefined) return;
  const { command, action } = args;
  throw new UsageError(`${command} ${action}: unexpected ${JSON.stringify(value)}`, remedy);
}

/** The answer as JSON with --json, else in lines for people. */
export function printAnswer(
  { flags }: ActionArguments,
  answer: unknown,
  lines: readonly string[],
): void {
  if (flags.has('json')) printJson(answer);
  else printLines(lines);
}
