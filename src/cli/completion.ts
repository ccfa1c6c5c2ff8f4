/** `sluice completion bash|zsh|fish`: a script that lets a shell complete commands and flags. */

import { UsageError } from '../base/errors.ts';
import { commandLineOnly, optionTable } from '../config/option-table.ts';
import { featureTable } from '../tls/features.ts';
import type { Command, Commands, Flags } from './command.ts';
import { type CommandArguments, commandArguments, flagsWithValues } from './command-flags.ts';
import { print } from './terminal.ts';

/** The shells, as actions: they are completed as well. */
const FLAGS = { bash: {}, zsh: {}, fish: {} };

export const completionCommand: Command = { flags: FLAGS, run };

interface Words {
  /** Besides `run` and `demo`. */
  readonly commands: readonly CommandArguments[];
  /** Of `run` and `demo`, and of sluice without a command. */
  readonly options: readonly string[];
}

const shells: Record<keyof typeof FLAGS, (words: Words) => string> = {
  bash: (words) => `_sluice() {
  local word="\${COMP_WORDS[COMP_CWORD]}" command="\${COMP_WORDS[1]}" action="\${COMP_WORDS[2]}"
  local actions="" values="" flags="${words.options.join(' ')}"
${cases(words)}
${valueCases(`"\${COMP_WORDS[COMP_CWORD-1]}"`)}
  if [ "$COMP_CWORD" -eq 1 ] && [ "\${word#-}" = "$word" ]; then
    COMPREPLY=($(compgen -W "${names(words).join(' ')}" -- "$word"))
  elif [ "\${word#-}" != "$word" ]; then
    COMPREPLY=($(compgen -W "$flags" -- "$word"))
  elif [ -n "$values" ]; then
    COMPREPLY=($(compgen -W "$values" -- "$word"))
  elif [ "$COMP_CWORD" -eq 2 ] && [ -n "$actions" ]; then
    COMPREPLY=($(compgen -W "$actions" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -F _sluice sluice
`,
  zsh: (words) => `#compdef sluice
local command="$words[2]" action="$words[3]"
local actions="" values="" flags="${words.options.join(' ')}"
${cases(words)}
${valueCases('"$words[CURRENT-1]"')}
if (( CURRENT == 2 )) && [[ $PREFIX != -* ]]; then
  compadd -- ${names(words).join(' ')}
elif [[ $PREFIX == -* ]]; then
  compadd -- \${=flags}
elif [[ -n $values ]]; then
  compadd -- \${=values}
elif (( CURRENT == 3 )) && [[ -n $actions ]]; then
  compadd -- \${=actions}
else
  _files
fi
`,
  fish: (words) => `${fishLines(words).join('\n')}\n`,
};

function names({ commands }: Words): string[] {
  return ['run', 'demo', 'help', 'version', ...commands.map(({ name }) => name)];
}

/** Sets `actions` and `flags`, in the words that bash and zsh share. */
function cases({ commands }: Words): string {
  const lines = commands.flatMap(({ name, flags, actions }) => {
    const inner = Object.entries(actions);
    if (inner.length === 0) return [`    ${name}) flags="${flagWords(flags)}" ;;`];
    return [
      `    ${name}) actions="${Object.keys(actions).join(' ')}" flags=""`,
      '      case "$action" in',
      ...inner.map(([action, own]) => `        ${action}) flags="${flagWords(own)}" ;;`),
      '      esac ;;',
    ];
  });
  return ['  case "$command" in', ...lines, '  esac'].join('\n');
}

/** Values of flags that have few, by flag. */
function valuesByFlag(): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const { name, placeholder, type } of optionTable) {
    const words = placeholder.split('|').filter((word) => /^[a-z][\w-]*$/.test(word));
    if (words.length > 1) found.set(name, words);
    else if (type === 'feature')
      found.set(
        name,
        featureTable.map((one) => `${one.name}=off`),
      );
  }
  for (const [name, values] of flagsWithValues) found.set(name, values);
  return found;
}

/** Sets `values` by the word before, in the words that bash and zsh share. */
function valueCases(before: string): string {
  const lines = [...valuesByFlag()].map(
    ([name, values]) => `    --${name}) values="${values.join(' ')}" ;;`,
  );
  return [`  case ${before} in`, ...lines, '  esac'].join('\n');
}

function flagWords(flags: Flags): string {
  return Object.keys(flags)
    .map((name) => `--${name}`)
    .join(' ');
}

function fishValues(name: string): string {
  const values = valuesByFlag().get(name);
  return values === undefined ? '' : ` -f -a '${values.join(' ')}'`;
}

function fishLines(words: Words): string[] {
  const { commands, options } = words;
  const seen = '__fish_seen_subcommand_from';
  const others = commands.map(({ name }) => name).join(' ');
  const flag = (when: string, name: string, hasValue: boolean) =>
    `complete -c sluice -n '${when}' -l ${name}${hasValue ? ' -r' : ''}${fishValues(name)}`;
  const lines = [
    `complete -c sluice -n __fish_use_subcommand -f -a '${names(words).join(' ')}'`,
    ...options.map((one) => {
      const name = one.slice(2);
      return `complete -c sluice -n 'not ${seen} ${others}' -l ${name}${fishValues(name)}`;
    }),
  ];
  for (const { name, flags, actions } of commands) {
    const known = Object.keys(actions).join(' ');
    if (known !== '') {
      const when = `${seen} ${name}; and not ${seen} ${known}`;
      lines.push(`complete -c sluice -n '${when}' -f -a '${known}'`);
    }
    for (const [one, hasValue] of Object.entries(flags)) {
      lines.push(flag(`${seen} ${name}`, one, hasValue));
    }
    for (const [action, own] of Object.entries(actions)) {
      const when = `${seen} ${name}; and ${seen} ${action}`;
      for (const [one, hasValue] of Object.entries(own)) lines.push(flag(when, one, hasValue));
    }
  }
  return lines;
}

/** Prints the script. Throws UsageError for a shell that is not known. */
async function run(words: readonly string[], all: Commands): Promise<number> {
  const [shell = ''] = words;
  if (!Object.hasOwn(shells, shell) || words.length !== 1) {
    const known = Object.keys(shells).join(', ');
    throw new UsageError(
      `completion: ${words.length === 0 ? 'no shell' : `no script for ${JSON.stringify(words[0])}`}`,
      `write one of ${known}, as in source <(sluice completion bash)`,
    );
  }
  const options = [...optionTable, ...commandLineOnly].map(({ name }) => `--${name}`);
  const write = shells[shell as keyof typeof shells];
  print(write({ commands: await commandArguments(all), options }));
  return 0;
}
