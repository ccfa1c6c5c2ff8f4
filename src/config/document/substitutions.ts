// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration.
/**
 * `\${env:NAME}` and `\${file:PATH}` in values: what a file says is not all that is in it. They are
 * replaced in the parsed document, before a schema looks at it, so that a value means the same wherever
 * it came from, and cannot become two values or a key.
 */
import { resolve } from 'node:path';
import { isScalar, visit } from 'yaml';
import { readCarefully } from '../../base/careful-files.ts';
import type { Diagnostic } from './diagnostic.ts';
import type { ParsedSource } from './source.ts';

/** Bytes of a file that is a value. */
const VALUE_FILE_BYTES_MAX = 65_536;

/** Shorter values are words as any other: to look for them would spoil messages. */
const HIDDEN_LENGTH_MIN = 4;

export interface Substitutions {
  readonly diagnostics: readonly Diagnostic[];
  /** A message with what was written in place of what it stands for, which may be a secret. */
  hide(text: string): string;
}

const REFERENCE = /\$\{(env|file):([^{}]*)\}/g;

export function substitute(
  parsed: ParsedSource,
  environment: Readonly<Record<string, string | undefined>>,
): Substitutions {
  const diagnostics: Diagnostic[] = [];
  const written = new Map<string, string>();
  if (parsed.root === null) return { diagnostics, hide: (text) => text };
  visit(parsed.root, (key, node) => {
    if (key === 'key' || !isScalar(node) || typeof node.value !== 'string') return;
    node.value = node.value.replace(REFERENCE, (reference, kind: string, name: string) => {
      const found = kind === 'env' ? ofEnvironment(name, environment) : ofFile(name, parsed);
      if (typeof found !== 'string') {
        const position = parsed.positionAt(node.range?.[0] ?? 0);
        diagnostics.push({ ...position, key: '', ...found });
        return '';
      }
      if (found.length >= HIDDEN_LENGTH_MIN) written.set(found, reference);
      return found;
    });
  });
  return {
    diagnostics,
    hide(text) {
      let shown = text;
      for (const [value, reference] of written) shown = shown.replaceAll(value, reference);
      return shown;
    },
  };
}

type Missing = Pick<Diagnostic, 'problem' | 'remedy'>;

function ofEnvironment(
  written: string,
  environment: Readonly<Record<string, string | undefined>>,
): string | Missing {
  const [, name = '', byDefault] = /^([A-Za-z_]\w*)(?::-(.*))?$/.exec(written) ?? [];
  if (name === '') {
    return {
      problem: `${written}: no name of a variable`,
      remedy: 'write it as in ${env:API_TOKEN}',
    };
  }
  const value = environment[name];
  // As shells have it: an empty one is as good as none where there is a default.
  if (byDefault !== undefined) return value === undefined || value === '' ? byDefault : value;
  if (value !== undefined) return value;
  return {
    problem: `the environment has no ${name}`,
    remedy: `set it where sluice is started, or write \${env:${name}:-DEFAULT}`,
  };
}

/** Without the line's end that editors add. */
function ofFile(written: string, { source }: ParsedSource): string | Missing {
  if (written === '') {
    return { problem: 'no file', remedy: 'write it as in ${file:/run/secrets/token}' };
  }
  const path = resolve(source.directory, written);
  try {
    return readCarefully(path, VALUE_FILE_BYTES_MAX)
      .toString('utf8')
      .replace(/\r?\n$/, '');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) return { problem: message, remedy: 'name a file with one value' };
    const problem = `${path} cannot be read (${code})`;
    return { problem, remedy: 'name a file that this user may read' };
  }
}
