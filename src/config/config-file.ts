/**
 * From a configuration file (YAML 1.2, of which JSON is a part) to values as written, each with its
 * place, so that a mistake is reported by line and column.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { UsageError } from '../base/errors.ts';
import type { GivenOptions } from './given.ts';
import { type OptionName, optionNamed, optionTable } from './option-table.ts';
import type { GivenValue } from './option-values.ts';
import { nearestWord } from './suggestion.ts';

/** A configuration is written by hand: a larger file is another file named by mistake. */
const CONFIG_FILE_BYTES_MAX = 1024 * 1024;

/** Throws UsageError: `FILE:LINE:COLUMN: what is wrong`. `file` is shown as it was given. */
export function readConfigFile(file: string, directory: string): GivenOptions {
  const path = resolve(directory, file);
  return parseConfig(readText(file, path), file, dirname(path));
}

function readText(file: string, path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(
      `--config ${JSON.stringify(file)}: cannot be read (${(error as NodeJS.ErrnoException).code})`,
      'name a YAML or JSON file that this user may read',
    );
  }
  if (text.length <= CONFIG_FILE_BYTES_MAX) return text;
  throw new UsageError(
    `--config ${JSON.stringify(file)}: larger than 1 MiB`,
    'name a YAML or JSON file with options',
  );
}

/** As {@link readConfigFile}, from text. Relative file names in it are relative to `directory`. */
export function parseConfig(text: string, file: string, directory: string): GivenOptions {
  const lines = new LineCounter();
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [syntaxError] = document.errors;
  if (syntaxError !== undefined) {
    throw new UsageError(
      `${at(syntaxError.pos[0])}: ${syntaxError.message.split('\n')[0]}`,
      'write YAML or JSON',
    );
  }
  const root = document.contents;
  const given: GivenOptions = new Map();
  if (root === null) return given;
  if (!isMap(root)) {
    throw new UsageError(`${at(root.range?.[0] ?? 0)}: not a map of options`, 'write NAME: VALUE');
  }
  for (const { key, value } of root.items) {
    const place = at((key as Node).range?.[0] ?? 0);
    const name = knownName(String(isScalar(key) ? key.value : key), place);
    const make = (node: unknown): GivenValue => ({
      text: scalarText(node, name, at),
      place: `${at((node as Node | null)?.range?.[0] ?? 0)}: ${name}`,
      directory,
    });
    given.set(name, isSeq(value) ? listValues(value.items, name, place, make) : [make(value)]);
  }
  return given;
}

function knownName(name: string, place: string): OptionName {
  const option = optionNamed(name);
  if (option !== undefined) return option.name;
  const names = optionTable.map((known) => known.name);
  const near = nearestWord(name, names);
  throw new UsageError(
    `${place}: unknown key ${JSON.stringify(name)}`,
    near === undefined ? `the keys are ${names.join(', ')}` : `did you mean ${near}?`,
  );
}

function listValues(
  items: readonly unknown[],
  name: OptionName,
  place: string,
  make: (node: unknown) => GivenValue,
): GivenValue[] {
  if (!optionNamed(name)!.repeatable) {
    throw new UsageError(`${place}: ${name}: a list, but it has one value`, `write ${name}: VALUE`);
  }
  return items.map(make);
}

function scalarText(node: unknown, name: OptionName, at: (offset: number) => string): string {
  if (isScalar(node) && node.value !== null) {
    // The source text keeps what a number or a boolean was written as.
    return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
  }
  const option = optionNamed(name)!;
  throw new UsageError(
    `${at((node as Node | null)?.range?.[0] ?? 0)}: ${name}: no value`,
    `write ${name}: ${option.placeholder}, as in ${name}: ${option.example}`,
  );
}
