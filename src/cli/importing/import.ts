/** `sluice import`: the files of another server as a configuration of ours, with all that was left out. */
import { writeFileSync } from 'node:fs';
import { UsageError } from '../../base/errors.ts';
import { type Importer, importFrom } from '../../import/importer.ts';
import { reportText } from '../../import/report.ts';
import { type ActionArguments, onlyArgument, parseActionArguments } from '../action-arguments.ts';
import type { Command } from '../command.ts';
import { print, printJson, printNote } from '../terminal.ts';

/** True for flags with a value. */
const OF_ALL = { output: true, json: false };
const FLAGS = { nginx: OF_ALL };

export const importCommand: Command = { flags: FLAGS, run };

/** All that decides about access or safety is in the file. */
const EXIT_OK = 0;
const EXIT_LEFT_OUT = 1;

type Server = keyof typeof FLAGS;

const IMPORTERS: Record<Server, () => Promise<Importer>> = {
  nginx: async () => (await import('../../import/nginx/nginx.ts')).nginxImporter,
};

/** Resolves with the exit code. Throws UsageError for files that cannot be read. */
async function run(args: readonly string[]): Promise<number> {
  const parsed = parseActionArguments('import', FLAGS, args);
  const importer = await IMPORTERS[parsed.action]();
  const { text, rows, isUnsafe } = importFrom(importer, onlyArgument(parsed, importer.input));
  write(parsed, text);
  if (parsed.flags.has('json')) printJson({ rows, isUnsafe });
  else printNote(reportText(rows));
  return isUnsafe ? EXIT_LEFT_OUT : EXIT_OK;
}

/** To standard output, unless that is for the report. */
function write({ flags }: ActionArguments, text: string): void {
  const output = flags.get('output');
  if (output === undefined) {
    if (flags.has('json'))
      throw new UsageError('import: --json without --output', 'add --output FILE');
    print(text);
    return;
  }
  try {
    // Nothing that is there is written over.
    writeFileSync(output, text, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const remedy =
      code === 'EEXIST'
        ? 'name a new file, or remove that'
        : 'name a file that this user may write';
    throw new UsageError(`--output ${output}: cannot be written (${code})`, remedy);
  }
}
