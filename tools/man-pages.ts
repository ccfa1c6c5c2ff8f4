/** Manual pages (man(7)) of sluice and of each command, from the tables that they are read by. */
import type { CommandHelp, FlagHelp } from '../src/cli/command-help.ts';
import { commandLineOnly, optionTable } from '../src/config/option-table.ts';

/** By file name, as `sluice-cache.1`. */
export function manPages(helps: readonly CommandHelp[], version: string): Map<string, string> {
  const pages = new Map([['sluice.1', mainPage(helps, version)]]);
  for (const help of helps) pages.set(`sluice-${help.name}.1`, commandPage(help, version));
  return pages;
}

const EXIT_CODES: readonly (readonly [code: string, meaning: string])[] = [
  ['0', 'ended in order'],
  ['1', 'failed while running; of commands that look for something: nothing was found'],
  ['2', 'a mistake in a flag or file: one line on standard error says which, and the remedy'],
  ['3', 'of status: sluice does not run, as LSB has it'],
];

function mainPage(helps: readonly CommandHelp[], version: string): string {
  const commands = helps.map((help) => item(`sluice-${help.name}(1)`, summaryOf(help)));
  const flags = optionTable.map(({ name, placeholder, summary, details, defaultText }) =>
    item(`--${name} ${placeholder}`, `${summary} ${details} Default: ${defaultText}.`),
  );
  const others = commandLineOnly.map(({ name, placeholder, summary }) =>
    item(`--${name} ${placeholder}`.trim(), summary),
  );
  return page('sluice', version, [
    section('NAME', text('sluice \\- a caching HTTP proxy and TLS edge')),
    section('SYNOPSIS', lines(['sluice --origin URL [flags]', 'sluice FILE.yaml [flags]'])),
    section('COMMANDS', commands.join('')),
    section('FLAGS', [...flags, ...others].join('')),
    section(
      'SIGNALS',
      [
        item('SIGTERM, SIGINT', 'stop gracefully; a second one ends at once'),
        item('SIGHUP', 'read the configuration again and apply what has changed'),
        item('SIGUSR1', 'reopen the logs, after they were moved away'),
        item('SIGUSR2', 'start the program on disk, which takes over the sockets'),
      ].join(''),
    ),
    exitCodes(),
  ]);
}

/** What a command with several actions does is said by their names. */
function summaryOf({ name, usages, flags }: CommandHelp): string {
  const actions = [...flags.keys()].filter((action) => action !== '');
  return actions.length > 1 ? `sluice ${name} ${actions.join(', ')}` : (usages[0]?.summary ?? '');
}

function commandPage(help: CommandHelp, version: string): string {
  const { name, usages, flags, takesOptions } = help;
  const parts = [...flags].filter(([, of]) => of.length > 0);
  const described = parts.map(([action, of]) => {
    const title = action === '' ? '' : `.SS sluice ${name} ${action}\n`;
    return title + of.map(flagItem).join('');
  });
  return page(`sluice-${name}`, version, [
    section('NAME', text(`sluice-${name} \\- ${escaped(summaryOf(help))}`)),
    section('SYNOPSIS', lines(usages.map((one) => one.text))),
    ...(usages.length > 1
      ? [section('DESCRIPTION', usages.map((one) => item(one.text, one.summary)).join(''))]
      : []),
    ...(described.length > 0 ? [section('FLAGS', described.join(''))] : []),
    ...(takesOptions
      ? [section('FLAGS OF SERVING', text('See sluice(1): all flags with which sluice serves.'))]
      : []),
    exitCodes(),
    section('SEE ALSO', text('sluice(1)')),
  ]);
}

function flagItem({ name, placeholder, summary, values }: FlagHelp): string {
  const few = values === undefined ? '' : ` (${values.join(', ')})`;
  return item(`--${name} ${placeholder}`.trim(), summary + few);
}

function exitCodes(): string {
  const items = EXIT_CODES.map(([code, meaning]) => item(code, meaning));
  return section('EXIT STATUS', items.join(''));
}

/** `.TH` wants the name in capitals. Without a date: the same source gives the same page. */
function page(name: string, version: string, parts: readonly string[]): string {
  return `.TH ${escaped(name.toUpperCase())} 1 "" "sluice ${version}" "User Commands"\n${parts.join('')}`;
}

function section(title: string, body: string): string {
  return `.SH ${title}\n${body}`;
}

function item(term: string, meaning: string): string {
  return `.TP\n.B ${escaped(term)}\n${text(escaped(meaning))}`;
}

/** Lines that stay apart. */
function lines(all: readonly string[]): string {
  return all.map((one) => `.B ${escaped(one)}\n.br\n`).join('');
}

/** A line of text: none may look like a request. */
function text(line: string): string {
  return `${line.replace(/^[.']/, '\\&$&')}\n`;
}

/** Of the words of tables, which are Markdown: backslashes are none of ours, and a hyphen is one. */
function escaped(words: string): string {
  return words
    .replaceAll('\\', '\\(rs')
    .replaceAll('`', '')
    .replace(/\[([^\]]+)\]\([^)]+\.md[^)]*\)/g, '$1')
    .replaceAll('-', '\\-')
    .replaceAll('"', '\\(dq')
    .replaceAll('\n', ' ')
    .replace(
      /[^\0-\x7f]/gu,
      (one) => `\\[u${one.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}]`,
    );
}
