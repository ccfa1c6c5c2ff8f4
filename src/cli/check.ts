/** `sluice check FILE`: tells everything that is wrong with a configuration, and changes nothing. */

import { type FileWarning, UsageError, type Warn } from '../base/errors.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { keyAndProblem } from '../config/document/diagnostic.ts';
import { readSource } from '../config/document/source.ts';
import { loadConfiguration } from '../config/load.ts';
import type { SluiceOptions } from '../config/options.ts';
import { stateDirectory } from '../config/self-signed-store.ts';
import { socketAddressText } from '../supervisor/listeners.ts';
import { parseFlags } from './action-arguments.ts';
import type { Command } from './command.ts';
import { print, printJson } from './terminal.ts';

const FLAGS = { json: false };

export const checkCommand: Command = { flags: FLAGS, run };

const EXIT_OK = 0;
const EXIT_MISTAKES = 2;

type Told = UsageError['diagnostics'][number];

/** Resolves with the exit code. Throws UsageError for a file that cannot be read. */
async function run(args: readonly string[]): Promise<number> {
  const names = args.filter((word) => !word.startsWith('-'));
  const { flags } = parseFlags(
    'check',
    FLAGS,
    args.filter((word) => word.startsWith('-')),
  );
  const [file] = names;
  if (file === undefined || names.length > 1) {
    const problem = file === undefined ? 'no file' : 'more than one file';
    throw new UsageError(`check: ${problem}`, 'write sluice check FILE');
  }
  const isJson = flags.has('json');
  const warnings: ToldWarning[] = [];
  const outcome = await check(file, (message, warning) => {
    const ofFile = { file, line: 1, column: 1, key: '', problem: message };
    warnings.push({ ...(warning ?? ofFile), text: message });
  });
  if (isJson) printJson(jsonOf(file, outcome, warnings));
  else print(textOf(file, outcome, warnings));
  return outcome.options === null ? EXIT_MISTAKES : EXIT_OK;
}

/** With its one line. */
type ToldWarning = FileWarning & { readonly text: string };

interface Outcome {
  /** Null when there are mistakes. */
  readonly options: SluiceOptions | null;
  readonly diagnostics: readonly Told[];
}

async function check(file: string, warn: Warn): Promise<Outcome> {
  const source = readSource(file, process.cwd());
  try {
    const { options } = await loadConfiguration({
      source,
      flags: new Map(),
      command: 'run',
      isCheck: true,
      nowMs: Date.now(),
      stateDirectory: stateDirectory(process.env),
      demoOrigin: null,
      warn,
    });
    return { options, diagnostics: [] };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const { diagnostics, message: problem, remedy } = error;
    // What is said of a flag is here something that the file as a whole lacks.
    const whole = { file, line: 1, column: 1, key: '', problem, remedy };
    return { options: null, diagnostics: diagnostics.length === 0 ? [whole] : diagnostics };
  }
}

function jsonOf(
  file: string,
  { options, diagnostics }: Outcome,
  told: readonly ToldWarning[],
): unknown {
  const warnings = told.map(({ text: _text, ...warning }) => warning);
  const summary = options === null ? null : summaryOf(options);
  return { file, ok: options !== null, diagnostics, warnings, summary };
}

function textOf(
  file: string,
  { options, diagnostics }: Outcome,
  warnings: readonly ToldWarning[],
): string {
  let text = warnings.map((one) => `warning: ${one.text}\n`).join('');
  for (const { file: name, line, column, key, problem, remedy } of diagnostics) {
    text += `${name}:${line}:${column}: ${keyAndProblem(key, problem)}\n    ${remedy}\n`;
  }
  if (options === null) {
    const count = diagnostics.length === 1 ? '1 mistake' : `${diagnostics.length} mistakes`;
    return `${text}${count}\n`;
  }
  text += `${file}: ok\n`;
  for (const [what, lines] of Object.entries(summaryOf(options))) {
    for (const [i, line] of lines.entries()) {
      text += `  ${(i === 0 ? what : '').padEnd(10)} ${line}\n`;
    }
  }
  return text;
}

/** What the configuration comes to, in lines. */
function summaryOf(options: SluiceOptions): Readonly<Record<string, readonly string[]>> {
  const { listeners, hosts, origins, routes, admin } = options;
  return {
    listeners: listeners.map(({ kind, address }) => `${kind} ${socketAddressText(address)}`),
    hosts: hosts.map(({ tls, certificateFiles, isAcme }) => {
      const names = tls.names.length === 0 ? 'every name' : tls.names.join(', ');
      const files = certificateFiles.map((one) => one?.certificateFile ?? 'self-signed');
      return `${names}: ${isAcme ? 'acme' : files.join(', ')}`;
    }),
    origins: origins.map(({ name, servers }) => {
      return `${name}: ${servers.map((server) => socketAddressText(server as SocketAddress)).join(', ')}`;
    }),
    routes: routes.map(({ name, action }) => {
      const to = action.kind === 'origin' ? action.origin : action.kind;
      return name === to ? name : `${name} → ${to}`;
    }),
    admin: [admin === null ? 'off' : socketAddressText(admin)],
  };
}
