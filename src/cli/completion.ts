/** `sluice completion bash|zsh|fish`: a script that lets a shell complete commands and flags. */
import { UsageError } from '../base/errors.ts';
import { commandLineOnly, optionTable } from '../config/option-table.ts';
import { commands } from './commands.ts';

const shells: Record<string, (words: string, flags: readonly string[]) => string> = {
  bash: (words, flags) => `_sluice() {
  local word="\${COMP_WORDS[COMP_CWORD]}"
  if [ "$COMP_CWORD" -eq 1 ] && [ "\${word#-}" = "$word" ]; then
    COMPREPLY=($(compgen -W "${words}" -- "$word"))
  elif [ "\${word#-}" != "$word" ]; then
    COMPREPLY=($(compgen -W "${flags.join(' ')}" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -F _sluice sluice
`,
  zsh: (words, flags) => `#compdef sluice
if (( CURRENT == 2 )) && [[ $PREFIX != -* ]]; then
  compadd -- ${words}
elif [[ $PREFIX == -* ]]; then
  compadd -- ${flags.join(' ')}
else
  _files
fi
`,
  fish: (words, flags) =>
    [
      `complete -c sluice -n __fish_use_subcommand -a '${words}'`,
      ...flags.map((flag) => `complete -c sluice -l ${flag.slice(2)}`),
      '',
    ].join('\n'),
};

/** Prints the script. Throws UsageError for a shell that is not known. */
export function completionCommand(words: readonly string[]): number {
  const script = shells[words[0] ?? ''];
  if (script === undefined || words.length !== 1) {
    const known = Object.keys(shells).join(', ');
    throw new UsageError(
      `completion: ${words.length === 0 ? 'no shell' : `no script for ${JSON.stringify(words[0])}`}`,
      `write one of ${known}, as in source <(sluice completion bash)`,
    );
  }
  const names = ['run', 'demo', ...Object.keys(commands)].join(' ');
  const flags = [...optionTable, ...commandLineOnly].map(({ name }) => `--${name}`);
  process.stdout.write(script(names, flags));
  return 0;
}
