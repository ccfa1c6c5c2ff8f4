/** The `sluice` command: reads its arguments, does as they say, and ends with an exit code. */

import { readFileSync, statSync } from 'node:fs';
import { UsageError } from '../base/errors.ts';
import { parseCommandLine } from '../config/command-line.ts';
import { foreignWords } from '../config/document/foreign-files.ts';
import { commands } from './commands.ts';
import { packageVersion } from './package-version.ts';
import { print, printNote } from './terminal.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** Runs one command line to its end, which is the process's. */
export function main(args: readonly string[]): Promise<void> {
  return conclude(() => perform(args));
}

/** Ends the process with the exit code that comes out, or with that of the error. */
export async function conclude(perform: () => Promise<number>): Promise<void> {
  // Whoever reads our output may go away; serving goes on.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  try {
    process.exitCode = await perform();
  } catch (error) {
    process.exitCode = fail(error);
  }
  process.exit();
}

/** Commands without help of their own are in the help of all; what is no command is said to be none. */
function wordsOfHelp([help = '', command = '', ...rest]: readonly string[]): readonly string[] {
  const isExplained = ['run', 'demo', 'help', 'version', ''].includes(command);
  return isExplained ? [help, ...rest] : [command, ...rest];
}

/** Larger files are no configuration of anybody. */
const FOREIGN_BYTES_MAX = 16 * 1024 * 1024;

/** `sluice nginx.conf`, `sluice run nginx.conf`: what is wanted can be said better than that it is no command. */
function refuseForeignFile(args: readonly string[]): void {
  const word = args[0] === 'run' ? args[1] : args[0];
  // What is named as ours is read as ours, and says more of the place.
  if (word === undefined || !/^[^-].*[./]/.test(word) || /\.(?:ya?ml|json)$/i.test(word)) return;
  const stats = statSync(word, { throwIfNoEntry: false });
  if (stats?.isFile() !== true || stats.size > FOREIGN_BYTES_MAX) return;
  const foreign = foreignWords(word, readFileSync(word, 'utf8'));
  if (foreign !== null) throw new UsageError(`${word}: ${foreign.problem}`, foreign.remedy);
}

async function perform(args: readonly string[]): Promise<number> {
  const [first = ''] = args;
  if (Object.hasOwn(commands, first)) {
    // Behind `--` is what another program is told.
    const own = args.slice(0, args.includes('--') ? args.indexOf('--') : undefined);
    if (own.includes('--help')) return helpOf(first);
    const command = await commands[first]!();
    return written(await command.run(args.slice(1), commands));
  }
  if (first === 'help' && Object.hasOwn(commands, args[1] ?? '')) return helpOf(args[1]!);
  refuseForeignFile(args);
  const commandLine = parseCommandLine(first === 'help' ? wordsOfHelp(args) : args, process.cwd());
  switch (commandLine.command) {
    case 'help': {
      const { helpText } = await import('../config/reference.ts');
      print(helpText());
      return written(0);
    }
    case 'version':
      print(`${packageVersion()}\n`);
      return 0;
    case 'run': {
      const { run } = await import('./run.ts');
      return run(commandLine, packageVersion());
    }
    case 'demo': {
      const { demo } = await import('./demo.ts');
      return demo(commandLine, packageVersion());
    }
  }
}

/** The lines of the help that are about one command. */
async function helpOf(command: string): Promise<number> {
  const { usagesOf } = await import('./command-help.ts');
  const lines = usagesOf(command).map(({ text, summary }) => `  ${text.padEnd(35)} ${summary}`);
  const { flagLines } = await import('./command-flags.ts');
  const flags = await flagLines(command, commands);
  const rest = '\nsluice --help has all commands, signals and exit codes.\n';
  print(`${lines.join('\n')}\n\n${flags}${rest}`);
  return written(0);
}

/**
 * The exit code, once all is written: a pipe whose reader is slower than us, a pager say, holds
 * the rest, which process.exit() would lose. Serving does not wait: it must end when it is told to.
 */
function written(exitCode: number): Promise<number> {
  return new Promise((resolve) => {
    print('', () => resolve(exitCode));
  });
}

/** A mistake of the user's is one line; anything else is ours, with all that helps to find it. */
function fail(error: unknown): number {
  if (error instanceof UsageError) {
    // After a list, it has a line of its own.
    const joint = error.message.endsWith('\n') ? '' : '; ';
    printNote(`sluice: ${error.message}${joint}${error.remedy}\n`);
    return EXIT_USAGE;
  }
  printNote(`sluice: ${(error as Error)?.stack ?? String(error)}\n`);
  return EXIT_FAILED;
}
