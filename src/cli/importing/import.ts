/** `sluice import`: the files of another server as a configuration of ours, with all that was left out. */
import { writeFileSync } from 'node:fs';
import { UsageError } from '../../base/errors.ts';
import { type Importer, importFrom } from '../../import/importer.ts';
import { reportText } from '../../import/report.ts';
import { type ActionArguments, onlyArgument, parseActionArguments } from '../action-arguments.ts';
import type { Command } from '../command.ts';
import { print, printJson, printLines, printNote } from '../terminal.ts';
import { compareServers, differenceText, questionsOf } from './compare.ts';

/** True for flags with a value. */
const OF_ALL = { output: true, json: false, compare: true, with: true, urls: true };
const FLAGS = { nginx: OF_ALL };

export const importCommand: Command = { flags: FLAGS, run };

/** All that decides about access or safety is in the file; both servers answer alike. */
const EXIT_OK = 0;
/** Something of the kind was left out; they do not. */
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
  const old = parsed.flags.get('compare');
  if (old !== undefined) return compare(parsed, old);
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

/** The old server and a sluice that serves by the file are asked for the same. */
async function compare({ flags }: ActionArguments, old: string): Promise<number> {
  const urls = flags.get('urls');
  const after = flags.get('with');
  if (urls === undefined || after === undefined) {
    const remedy = 'write --compare OLD_URL --with NEW_URL --urls FILE';
    throw new UsageError('--compare needs --with and --urls', remedy);
  }
  const questions = questionsOf(urls);
  const found = await compareServers(serverUrl(old), serverUrl(after), questions);
  if (flags.has('json')) printJson(found);
  else {
    printLines(found.map(differenceText));
    const different = new Set(found.map(({ question }) => question)).size;
    printNote(`${questions.length - different} of ${questions.length} answers are the same\n`);
  }
  return found.length === 0 ? EXIT_OK : EXIT_LEFT_OUT;
}

function serverUrl(text: string): URL {
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol)) return url;
  throw new UsageError(
    `--compare: no URL of a server: ${text}`,
    'write it as http://127.0.0.1:8080',
  );
}
