/** `sluice config`: documentation of the keys of a configuration file, and its JSON Schema. */

import { UsageError } from '../base/errors.ts';
import { diffConfigurations } from '../config/difference.ts';
import { diagnosticsError } from '../config/document/diagnostic.ts';
import { flowText } from '../config/document/keywords.ts';
import { parseSource, readSource, type Source } from '../config/document/source.ts';
import { jsonSchemaText } from '../config/json-schema.ts';
import {
  defaultText,
  findKey,
  formText,
  isWrittenInWords,
  type KeyInfo,
  keysBelow,
} from '../config/keys.ts';
import { configurationSchema } from '../config/schema/configuration.ts';
import {
  type ActionArguments,
  onlyArgument,
  parseActionArguments,
  printAnswer,
  refuseArguments,
} from './action-arguments.ts';
import type { Command } from './command.ts';
import { print } from './terminal.ts';

/** True for flags with a value. */
const FLAGS = { explain: { json: false }, schema: {}, diff: { json: false } };

export const configCommand: Command = { flags: FLAGS, run };

/** Columns of a terminal. */
const WIDTH = 80;

/** Resolves with the exit code. Throws UsageError for a key that does not exist. */
async function run(args: readonly string[]): Promise<number> {
  const parsed = parseActionArguments('config', FLAGS, args);
  if (parsed.action === 'schema') {
    refuseArguments(parsed, 'write config schema');
    print(jsonSchemaText(configurationSchema));
    return 0;
  }
  if (parsed.action === 'diff') return diff(parsed);
  const written = parsed.arguments.length === 0 ? '' : onlyArgument(parsed, 'KEY');
  const found = findKey(configurationSchema, written);
  if (found.kind === 'unknown') {
    throw new UsageError(`config explain: no key ${written}: unknown ${found.part}`, found.remedy);
  }
  printAnswer(parsed, jsonOf(found.key), textOf(found.key).trimEnd().split('\n'));
  return 0;
}

const EXIT_SAME = 0;
const EXIT_DIFFERENT = 1;

function diff(args: ActionArguments): number {
  const [a, b, ...more] = args.arguments;
  if (a === undefined || b === undefined || more.length > 0) {
    throw new UsageError('config diff: two files are compared', 'write config diff FILE FILE');
  }
  const changes = diffConfigurations(readable(a), readable(b), configurationSchema);
  const lines = changes.map(({ key, before, after }) => {
    return `${key}: ${before || 'not there'} → ${after || 'not there'}`;
  });
  printAnswer(args, changes, lines);
  return changes.length === 0 ? EXIT_SAME : EXIT_DIFFERENT;
}

function readable(file: string): Source {
  const source = readSource(file, process.cwd());
  const { diagnostics } = parseSource(source);
  if (diagnostics.length > 0) throw diagnosticsError(diagnostics);
  return source;
}

function jsonOf(key: KeyInfo): unknown {
  const { title, description, default: byDefault, examples } = key.schema;
  const keys = keysBelow(key).map(({ path }) => path);
  return {
    key: key.path,
    form: formText(key.schema),
    title,
    description,
    default: byDefault,
    examples,
    keys,
  };
}

function textOf(key: KeyInfo): string {
  const { path, schema } = key;
  const { title = '', description = '', examples = [] } = schema;
  let text = path === '' ? '' : `${path}: ${formText(schema)}\n\n`;
  text += `${wrapped(title, '')}\n`;
  if (description !== '') text += `\n${wrapped(description, '')}\n`;
  if (path !== '') {
    const name = path.slice(path.lastIndexOf('.') + 1).replace(/\[\]$/, '');
    const word = isWrittenInWords(schema) ? '' : `${name}: `;
    text += `\nDefault: ${word}${defaultText(schema)}\n`;
    for (const example of examples) text += `Example: ${name}: ${flowText(example)}\n`;
  }
  const below = keysBelow(key);
  if (below.length > 0) text += `\nKeys:\n${below.map(line).join('')}`;
  return text;
}

function line({ path, schema }: KeyInfo): string {
  return `  ${path}\n${wrapped(schema.title ?? '', '      ')}\n`;
}

function wrapped(text: string, indent: string): string {
  const lines: string[] = [];
  let current = '';
  for (const word of text.split(' ')) {
    if (current !== '' && indent.length + current.length + 1 + word.length > WIDTH) {
      lines.push(indent + current);
      current = word;
    } else {
      current = current === '' ? word : `${current} ${word}`;
    }
  }
  return [...lines, indent + current].join('\n');
}
