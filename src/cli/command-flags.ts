/** Which words each command takes, and what its flags mean: for help and the completion of shells. */
import type { Commands, Flags } from './command.ts';

const FLAG_COLUMN = 26;

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
    .map(([action, of]) => {
      const place = action === '' ? '' : ` of ${action}`;
      return `Flags${place}:\n${flagsText(command, of)}\n`;
    })
    .join('');
}

function flagsText(command: string, flags: Flags): string {
  const lines = Object.keys(flags).map((name) => {
    const { placeholder, summary } = flagText(name, command)!;
    return `  ${`--${name} ${placeholder}`.padEnd(FLAG_COLUMN)} ${summary}\n`;
  });
  return lines.join('');
}

export interface FlagText {
  /** What stands for the value; '' for a flag without one. */
  readonly placeholder: string;
  readonly summary: string;
  /** Words that the value may be, when there are few. */
  readonly values?: readonly string[];
}

const flag = (placeholder: string, summary: string, values?: readonly string[]): FlagText =>
  values === undefined ? { placeholder, summary } : { placeholder, summary, values };

/** By name; a name means the same in every command but those of OWN_TEXTS. */
const TEXTS: Readonly<Record<string, FlagText>> = {
  admin: flag('[HOST:]PORT', 'the admin endpoint of the running sluice (127.0.0.1:8081)'),
  json: flag('', 'print JSON, for programs'),
  prefix: flag('URL', 'only what begins with this URL'),
  limit: flag('N', 'how many, at most'),
  after: flag('NEXT', 'continue where the last page ended'),
  soft: flag('', 'mark as stale instead: it is revalidated with the origin'),
  'fail-if-none': flag('', 'exit code 1 when nothing matched'),
  all: flag('', 'everything that is stored'),
  url: flag('URL', 'one URL, with its query'),
  host: flag('NAME', 'every URL of a host, without port'),
  tag: flag('TAG', 'every response with this tag (Surrogate-Key, Cache-Tag)'),
  'incident-dir': flag('DIR', 'where the incidents are (incidents in the state directory)'),
  watch: flag('', 'start again when a file has changed'),
  search: flag('WORDS', 'only metrics whose names or labels hold these words'),
  follow: flag('', 'go on, and print new ones as they come'),
  level: flag('LEVEL', 'only what is at least so urgent', [
    'error',
    'warning',
    'notice',
    'info',
    'debug',
  ]),
  subsystem: flag('NAME', 'only what this part of sluice reports'),
  for: flag('TIME', 'go back to the old level after this time, as 10m'),
  canary: flag('TIME', 'how long one worker (the canary) runs it (5s)'),
  connection: flag('ID', 'which recorded connection (the suspect)'),
  target: flag('HOST:PORT', 'replay against this server instead of a sandbox'),
  against: flag('SNAPSHOT', 'what the sandbox runs: incident, last-good, a FILE or a checkout', [
    'incident',
    'last-good',
  ]),
  times: flag('N', 'how often'),
  without: flag('FEATURE,…', 'with these features disabled'),
  mode: flag('MODE', 'send what was recorded, or act as that client', ['verbatim', 're-enacted']),
  markdown: flag('', 'a page for who is on call, as Markdown'),
  once: flag('', 'print once, after a second, then end'),
  compare: flag(
    'OLD_URL',
    'ask the old server and --with for each of --urls, and list differences',
  ),
  with: flag('NEW_URL', 'a sluice that serves by the imported file'),
  urls: flag('FILE', 'what both are asked for, a URL a line'),
  output: flag('FILE', 'write the configuration to this new file, not to standard output'),
  out: flag('DIR', 'where the report goes'),
  dimensions: flag(
    'NAME,…',
    'only these dimensions: features, rules, configuration, commits, input',
  ),
  runs: flag('N', 'how often each experiment is run'),
  repo: flag('DIR', 'the checkout in which commits are tried'),
  good: flag('COMMIT', 'a commit without the fault'),
  bad: flag('COMMIT', 'a commit with it'),
  'danger-module': flag('FILE', 'a module that the sandbox loads, as the incident’s sluice did'),
  fresh: flag('', 'forget what an earlier triage has found out'),
};

/** As `COMMAND NAME`, where it means something else. */
const OWN_TEXTS: Readonly<Record<string, FlagText>> = {
  'metrics watch': flag(
    '',
    'draw them anew every second, with their rates; / searches, h explains',
  ),
};

/** Undefined for a flag that has no words yet, which a test refuses. */
export function flagText(name: string, command = ''): FlagText | undefined {
  const own = OWN_TEXTS[`${command} ${name}`];
  if (own !== undefined) return own;
  return Object.hasOwn(TEXTS, name) ? TEXTS[name] : undefined;
}

/** Flags whose values are few words, with those. */
export const flagsWithValues: readonly (readonly [name: string, values: readonly string[]])[] =
  Object.entries(TEXTS).flatMap(([name, { values }]) =>
    values === undefined ? [] : [[name, values] as const],
  );
