/** From the words of a command line to values as written; what they mean is resolve.ts's matter. */
import { UsageError } from '../base/errors.ts';
import type { ExplicitOptions } from './explicit-values.ts';
import { commandLineOnly, type OptionName, optionNamed, optionTable } from './option-table.ts';
import { nearestWord } from './suggestion.ts';

export type ServingCommand = 'run' | 'demo';

export interface CommandLine {
  readonly command: ServingCommand | 'help' | 'version';
  readonly given: ExplicitOptions;
  /** The file named by --config, or ''. */
  readonly configFile: string;
}

const COMMANDS = ['run', 'demo'] as const;
/** Commands with words of their own (cli/), for whom a typing mistake is looked for here. */
const OTHER_COMMANDS = [
  'cache',
  'incidents',
  'check',
  'completion',
  'config',
  'exec',
  'features',
  'handshakes',
  'import',
  'help',
  'metrics',
  'origins',
  'reload',
  'status',
  'stop',
  'top',
  'upgrade',
  'version',
];
const SHORT_FLAGS: Record<string, string> = { '-h': '--help', '-V': '--version' };

const flagNames = [...optionTable, ...commandLineOnly].map((option) => option.name);

/**
 * Reads `sluice [run|demo] [--flag value | --flag=value]…`, `sluice help` and `sluice version`. Throws
 * UsageError for a flag or command that does not exist, for one without a value, and for one given
 * twice that may not be.
 */
export function parseCommandLine(words: readonly string[], directory: string): CommandLine {
  let command: ServingCommand = 'run';
  let configFile = '';
  const given: ExplicitOptions = new Map();
  let index = 0;
  if (words[0] === 'help' || words[0] === 'version') {
    if (words[1] !== undefined) throw unexpected(words[1]);
    return { command: words[0], given, configFile };
  }
  if (words[0] !== undefined && !words[0].startsWith('-')) {
    const isFile = CONFIG_FILE.test(words[0]);
    if (!isFile) command = parseCommand(words[0]);
    index = isFile ? 0 : 1;
    const file = words[index];
    if (command === 'run' && file !== undefined && CONFIG_FILE.test(file)) {
      configFile = file;
      index++;
    }
  }
  while (index < words.length) {
    const word = SHORT_FLAGS[words[index]!] ?? words[index]!;
    index++;
    const { name, inlineValue } = splitFlag(word);
    if (name === 'help' || name === 'version') return { command: name, given, configFile };
    const isAlone = isSwitch(name) && (words[index] === undefined || isFlag(words[index]!));
    const text = inlineValue ?? (isAlone ? 'on' : words[index++]);
    if (text === undefined || isFlag(text)) throw missingValue(name);
    if (name === 'config') {
      if (configFile !== '') throw new UsageError('--config: given twice', 'give it once');
      configFile = text;
    } else addValue(given, name, text, directory);
  }
  return { command, given, configFile };
}

/** `sluice sluice.yaml` and `sluice run sluice.yaml` serve by that file. */
const CONFIG_FILE = /^[^-].*\.(?:ya?ml|json)$/i;

/** By itself it is on. */
function isSwitch(name: FlagName): boolean {
  return optionNamed(name)?.type === 'switch';
}

/** A flag in the place of a value: the value was forgotten. */
function isFlag(text: string): boolean {
  const name = /^--([a-z][a-z\d-]*)(?:=|$)/.exec(text)?.[1];
  return name !== undefined && flagNames.some((known) => known === name);
}

function parseCommand(word: string): ServingCommand {
  const command = COMMANDS.find((known) => known === word);
  if (command !== undefined) return command;
  const near = nearestWord(word, [...COMMANDS, ...OTHER_COMMANDS]);
  throw new UsageError(
    `unknown command ${JSON.stringify(word)}`,
    near === undefined ? 'see sluice --help' : `did you mean ${near}?`,
  );
}

function unexpected(word: string): UsageError {
  return new UsageError(`unexpected argument ${JSON.stringify(word)}`, 'see sluice --help');
}

function splitFlag(word: string): { name: FlagName; inlineValue: string | undefined } {
  if (!word.startsWith('--')) {
    throw unexpected(word);
  }
  const equals = word.indexOf('=');
  const name = word.slice(2, equals === -1 ? undefined : equals);
  const known = flagNames.find((candidate) => candidate === name);
  if (known === undefined) {
    const near = nearestWord(name, flagNames);
    throw new UsageError(
      `unknown flag --${name}`,
      near === undefined ? 'see sluice --help' : `did you mean --${near}?`,
    );
  }
  return { name: known, inlineValue: equals === -1 ? undefined : word.slice(equals + 1) };
}

type FlagName = OptionName | (typeof commandLineOnly)[number]['name'];

function missingValue(name: string): UsageError {
  const option = optionNamed(name);
  const wanted = option === undefined ? 'FILE' : option.placeholder;
  return new UsageError(`--${name}: no value`, `write --${name} ${wanted}`);
}

function addValue(given: ExplicitOptions, name: OptionName, text: string, directory: string): void {
  const values = given.get(name) ?? [];
  if (values.length > 0 && !optionNamed(name)!.repeatable) {
    throw new UsageError(`--${name}: given twice`, 'give it once');
  }
  given.set(name, [...values, { text, place: `--${name}`, directory }]);
}
