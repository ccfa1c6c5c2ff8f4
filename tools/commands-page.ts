/** docs/reference/commands.md: every command with its flags, from the tables that they are read by. */
import type { CommandHelp, FlagHelp } from '../src/cli/command-help.ts';

/** What is said at length, by command: sections of command-line.md, or other pages. */
const MORE: Readonly<Record<string, string>> = {
  cache: 'command-line.md#the-cache',
  certificates: 'command-line.md#a-running-sluice',
  check: 'command-line.md#configuration-file',
  completion: '../how-to/complete-commands-in-the-shell.md',
  config: 'command-line.md#configuration-file',
  demo: '../tutorial.md',
  exec: 'command-line.md#an-app-and-sluice-together',
  features: 'command-line.md#features',
  handshakes: '../how-to/find-out-why-handshakes-fail.md',
  incidents: 'command-line.md#incidents',
  log: 'command-line.md#the-error-log',
  metrics: '../how-to/scrape-metrics.md',
  origins: '../explanation/origins.md',
  reload: '../how-to/reload-the-configuration.md',
  run: 'command-line.md#flags',
  status: '../how-to/watch-live.md',
  tls: 'command-line.md#replay',
  top: '../how-to/watch-live.md',
  triage: 'command-line.md#triage',
  upgrade: '../how-to/upgrade-without-downtime.md',
};

export function commandsPage(helps: readonly CommandHelp[]): string {
  return `# Commands

<!-- Written by \`npm run docs\` from the flags of each command in src/cli/. -->

Every command of \`sluice\` with its flags. [Command line](command-line.md) says more of what they do,
and has the flags with which sluice serves, signals and exit codes. The same is in the manual pages of
the package: \`man sluice\`, \`man sluice-cache\`.

${helps.map(sectionOf).join('\n')}`;
}

function sectionOf({ name, usages, flags, takesOptions }: CommandHelp): string {
  const rows = usages.map(
    ({ text, summary }) => `| \`${text.replaceAll('|', '\\|')}\` | ${summary} |`,
  );
  const parts = [`| command | what it does |\n| --- | --- |\n${rows.join('\n')}\n`];
  for (const [action, of] of flags) {
    if (of.length === 0) continue;
    const place = action === '' ? 'flag' : `flag of \`${action}\``;
    parts.push(`| ${place} | meaning |\n| --- | --- |\n${of.map(rowOf).join('\n')}\n`);
  }
  if (takesOptions)
    parts.push('It takes the [flags](command-line.md#flags) with which sluice serves.\n');
  const more = MORE[name];
  if (more !== undefined) parts.push(`More: [${titleOf(more)}](${more}).\n`);
  return `## \`sluice ${name}\`\n\n${parts.join('\n')}`;
}

function rowOf({ name, placeholder, summary, values }: FlagHelp): string {
  const shown = `--${name} ${placeholder}`.trim().replaceAll('|', '\\|');
  const few = values === undefined ? '' : ` (${values.map((one) => `\`${one}\``).join(', ')})`;
  return `| \`${shown}\` | ${summary}${few} |`;
}

/** The words of an address, for people. */
function titleOf(address: string): string {
  const [page = '', anchor] = address.split('#');
  const name = anchor ?? page.slice(page.lastIndexOf('/') + 1).replace(/\.md$/, '');
  return name.replaceAll('-', ' ');
}
