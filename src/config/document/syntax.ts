/** What is wrong with the YAML of a file, in words for somebody who does not know YAML's own. */
import type { ErrorCode, YAMLParseError } from 'yaml';

export interface SyntaxProblem {
  readonly problem: string;
  readonly remedy: string;
}

type Explanation = (text: string, offset: number) => SyntaxProblem;

const fixed = (problem: string, remedy: string) => (): SyntaxProblem => ({ problem, remedy });

const indentation = fixed(
  'the indentation fits no line above',
  'begin all keys of one map in the same column, as in the example of sluice config explain',
);
const separator = fixed(
  'no key and value: after the colon of a key comes a space',
  'write KEY: VALUE, as in workers: 2',
);

const explanations: Partial<Record<ErrorCode, Explanation>> = {
  TAB_AS_INDENT: fixed('a tab as indentation', 'indent with spaces, two for each level'),
  BAD_INDENT: indentation,
  BLOCK_AS_IMPLICIT_KEY: separator,
  MULTILINE_IMPLICIT_KEY: separator,
  MULTIPLE_DOCS: fixed(
    'a second document begins here, and would be left out',
    'remove the line --- and what is there twice',
  ),
  BAD_SCALAR_START(text, offset) {
    return {
      problem: `no value begins with ${text[offset] ?? ''}`,
      remedy: 'put the value in quotes, as in "@home"',
    };
  },
  BAD_DQ_ESCAPE: fixed(
    'in double quotes a backslash begins an escape, and this is none',
    "write it in single quotes, as in path-pattern: '^/v\\d+/'",
  ),
};

/** For a key that is in its map already. */
export function explainTwice(text: string, offset: number): SyntaxProblem {
  const key = wordAt(text, offset);
  return {
    problem: `the key ${key} is there twice in one map`,
    remedy: `remove one of them; several values are a list, as in ${key}: [a, b]`,
  };
}

/** Of the parser's words only those that no table of ours has better. */
export function explainSyntax({ code, message, pos }: YAMLParseError, text: string): SyntaxProblem {
  const [problem = message] = message.split('\n');
  if (/end with a [}\]]/.test(problem)) {
    return {
      problem: 'a brace or bracket that was opened is not closed',
      remedy: 'close it, as in servers: [http://10.0.0.1:3000]',
    };
  }
  const own = explanations[code]?.(text, pos[0]);
  if (own !== undefined) return own;
  if (problem.startsWith('Missing closing')) {
    return { problem: 'a quote that was opened is not closed', remedy: 'close it, as in "a b"' };
  }
  if (problem.startsWith('Implicit map keys')) return separator();
  if (problem.startsWith('Sequence item without')) return indentation();
  return { problem, remedy: 'write YAML, as in docs/examples/sluice.yaml, or JSON' };
}

function wordAt(text: string, offset: number): string {
  return /^"?([^\s:"]+)/.exec(text.slice(offset, offset + 1_000))?.[1] ?? 'KEY';
}
