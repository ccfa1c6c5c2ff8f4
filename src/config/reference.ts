/** The option table as text: `sluice --help` and docs/reference/command-line.md. */
import { commandLineOnly, optionTable } from './option-table.ts';

const COLUMN = 34;

export function helpText(): string {
  const flags = [
    ...optionTable.map(({ name, placeholder, summary, defaultText, demoDefaultText }) => {
      const forDemo = demoDefaultText === undefined ? '' : `; demo: ${demoDefaultText}`;
      return flagHelp(name, placeholder, `${summary} (${defaultText}${forDemo})`);
    }),
    ...commandLineOnly.map(({ name, placeholder, summary }) =>
      flagHelp(name, placeholder, summary),
    ),
  ];
  return `sluice: a caching HTTP proxy and TLS edge

Usage:
  sluice [run] --origin URL [flags]   serve an origin
  sluice demo [flags]                 serve a built-in one, and print what to try
  sluice check FILE                   tell everything that is wrong with a configuration file
  sluice config explain [KEY]         say what a key of that file means
  sluice config schema                print its JSON Schema, for editors
  sluice config diff FILE FILE        tell what differs between two such files
  sluice cache status                 count what the cache holds
  sluice cache list                   list what is stored, page by page
  sluice cache lookup URL             say what is stored for a URL, or why nothing is
  sluice cache purge WHAT [--soft]    --url URL, --prefix URL, --host NAME, --tag TAG or --all
  sluice cache verify DIR             read a --cache-dir and tell what is damaged
  sluice handshakes failures          name the most frequent failures of TLS handshakes
  sluice handshakes observers         name who observes them, and who was cut off
  sluice handshakes rearm NAME        call an observer again that was cut off
  sluice origins                      tell how the servers of each group of origins do
  sluice origins drain GROUP/SERVER   take a server out (drain, down) or in (up)
  sluice status                       say whether it serves, and how its workers do
  sluice top                          draw requests, hits, times, handshakes and origins, every second
  sluice metrics                      print all metrics
  sluice log [--follow]               print the latest events of the error log, and those that come
  sluice log level [SUBSYSTEM=LEVEL]  say how much is reported, or change it while it runs
  sluice drain                        have it finish what is under way, and end
  sluice completion bash|zsh|fish     print a script for your shell
  sluice upgrade                      have the program on disk take over, without downtime
  sluice reload [--canary TIME]        read the configuration again: try it, then put it in force
  sluice incidents list                name what was recorded of faults, newest first
  sluice incidents show FILE           tell one of them in words
  sluice tls replay FILE              play an incident's client again, and tell whether the same happens
  sluice triage INCIDENT               find the feature, change or commit to blame, and the smallest trigger
  sluice features list|reset              what was switched off because workers died; undo all of it
  sluice features disable|on NAME             switch a feature off until further notice, or on again

The commands that ask a running sluice take its --admin address (127.0.0.1:8081), and print JSON with
--json.

Flags (defaults in parentheses):
${flags.join('\n')}

Signals: SIGTERM and SIGINT drain and end; a second one ends at once. SIGUSR1 opens the log anew.
SIGHUP reloads the configuration, SIGUSR2 upgrades.
Exit codes: 0 ended in order, 1 failed while running, 2 a mistake in a flag or file.
`;
}

function flagHelp(name: string, placeholder: string, text: string): string {
  const flag = `  --${name} ${placeholder}`.trimEnd();
  const gap = flag.length < COLUMN ? flag.padEnd(COLUMN) : `${flag}\n${' '.repeat(COLUMN)}`;
  return `${gap}${text}`;
}

export function commandLineReference(): string {
  const rows = optionTable.map((option) => {
    const repeat = option.repeatable ? ' May be given more than once.' : '';
    const demo =
      option.demoDefaultText === undefined ? '' : ` (\`sluice demo\`: ${option.demoDefaultText})`;
    return `### \`--${option.name} ${option.placeholder}\`

${option.summary} ${option.details}${repeat}

- Default: ${option.defaultText}${demo}
- Example: \`--${option.name} ${option.example}\`
- In a file: \`${option.name}: ${fileExample(option.example)}\`
`;
  });
  const others = commandLineOnly.map(
    ({ name, placeholder, summary }) =>
      `### \`${`--${name} ${placeholder}`.trim()}\`\n\n${summary}\n`,
  );
  return `# Command line

<!-- Written by \`npm run docs\` from src/config/option-table.ts. -->

\`\`\`
sluice [run] --origin URL [flags]
sluice demo [flags]
\`\`\`

\`run\` serves an origin; \`demo\` brings its own origin and prints what to try. A flag is written
\`--flag value\` or \`--flag=value\`.

| | |
| --- | --- |
| SIGTERM, SIGINT | stop accepting, finish what runs within \`--drain-timeout\`, exit 0 |
| the same again | end at once |
| SIGUSR1 | open the access log anew, after it was moved away |
| SIGHUP | reads the command line's files again and puts what has changed in force; see \`sluice reload\` |
| SIGUSR2 | starts the program on disk, which takes the sockets over; see \`sluice upgrade\` |
| exit code 0 | ended in order |
| exit code 1 | failed while running |
| exit code 2 | a mistake in a flag or file: one line on standard error says which, and the remedy |

## The cache

\`\`\`
sluice cache status [--admin ADDRESS] [--json]
sluice cache list [--prefix URL] [--limit N] [--after NEXT] [--admin ADDRESS] [--json]
sluice cache lookup URL [--admin ADDRESS] [--json]
sluice cache purge --url URL|--prefix URL|--host NAME|--tag TAG|--all [--soft] [--admin ADDRESS] [--json]
sluice cache verify DIR [--json]
\`\`\`

All but \`verify\` ask a running sluice at its \`--admin\` address, 127.0.0.1:8081 when left out.

- \`list\` tells what is stored, 100 responses at a time (\`--limit\`, up to 1000); \`--after\` is for the
  next page. On disk the order is of no meaning, and with a \`--prefix\` that little has, a page may
  be empty and not the last.
- \`lookup\` tells every stored variant of a URL, with its freshness and where it is, or why the last
  response was not stored. Exit code 1 when nothing is stored.
- \`purge\` takes effect in all workers before it returns; responses that are on their way from the
  origin are not stored. A tag is a member of \`Surrogate-Key\` or \`Cache-Tag\`. A host is without
  port, and means all ports and both schemes. With \`--soft\`, what is stored becomes stale: the origin
  is asked about it, and need not send it again.
- \`verify\` reads every record of a \`--cache-dir\` and checks it. Exit code 1 when one is damaged;
  when served, it would be a miss.

A URL is looked up and purged by the keys that the rules of the routes make of it, with all that they
add: fields, cookies, slices.

Over HTTP: \`GET /cache\`, \`GET /cache/list?prefix=URL&limit=N&after=NEXT\`,
\`GET /cache/lookup?url=URL\`, and \`POST /cache/purge\` of
\`application/json\` with one of \`url\`, \`prefix\`, \`host\`, \`tag\`, \`all\` and \`soft\` beside it.

\`\`\`
curl http://127.0.0.1:8081/cache/purge --json '{"tag": "article-17", "soft": true}'
\`\`\`

## Incidents

\`\`\`
sluice incidents list [--incident-dir DIR] [--json]
sluice incidents show FILE [--incident-dir DIR] [--json]
\`\`\`

An incident is what was recorded of a worker that died, or of a handshake that failed in a way not seen
before; see [incidents](incident.md). They are in \`incidents\` of the state directory, or where
\`--incident-dir\` says. With \`--json\`, \`show\` prints the incident itself. Exit code 1 of \`list\` means
that one of the files cannot be read.

## Replay

\`\`\`
sluice tls replay FILE [--connection ID] [--mode verbatim|re-enacted] [--against SNAPSHOT]
                       [--without FEATURE,…] [--times N] [--json]
sluice tls replay FILE --target HOST:PORT [--times N] [--json]
\`\`\`

Plays the client of an incident again, or the trigger that a [triage report](triage-report.md) holds. Which
connection is \`--connection\`; by default the suspect. \`verbatim\` sends the bytes that are recorded, in
the same writes and at the same times; \`re-enacted\` is a client with keys of its own, for what depends on
keys: the same versions, groups, shares, suites and extensions in the same order, a ticket of this server
where one was offered, early data and records of the same sizes. By default it is verbatim when all is
recorded.

\`--against\` is what a sandbox instance on this machine is started with, loopback only, with certificates
and an origin of its own: \`incident\` (default: configuration and features as recorded), \`last-good\` (the
configuration before the last change), a configuration file, or the directory of another checkout of
sluice. \`--without\` switches features off. With \`--target\` nothing is started; that a server has died is
guessed then by a connection that ends without a word. Do not aim it at what others need.

Exit codes: 0 the same happened, 1 no fault happened, 2 it could not be tried, 3 another fault happened.

## Triage

\`\`\`
sluice triage INCIDENT [--out DIR] [--axes features,configuration,input,commits] [--runs N]
              [--repo DIR --good COMMIT [--bad COMMIT]] [--danger-module FILE] [--fresh] [--json]
\`\`\`

Reproduces what an incident tells of in sandbox instances on this machine, then finds out what can be left
out without its going away: features, changes since the last good configuration, parts of what the
client sent and, with \`--repo\`, commits (by bisection, in work trees of their own). It writes
\`report.json\`, \`report.md\` and a regression test into \`--out\`, by default \`triage-INCIDENT\`
beside the incident; see [triage reports](triage-report.md). \`--runs\` (3) is how often each way to
reproduce it is tried at first; a fault that comes only now and then is asked about as often as it takes.
Stopped with Ctrl-C, the same command goes on where it was; \`--fresh\` begins anew.

Over HTTP: \`GET /triage\` lists the reports beside the incidents, \`GET /triage?report=NAME\` is one of
them; the page at \`/\` shows them.

Exit codes: 0 a cause was found, 1 it did not happen again or nothing is to blame, 2 it could not be
tried, 130 stopped.

## The error log

\`\`\`
sluice log [--follow] [--level LEVEL] [--subsystem NAME] [--limit N] [--admin ADDRESS] [--json]
sluice log level [[SUBSYSTEM=]LEVEL …] [--for TIME] [--admin ADDRESS] [--json]
\`\`\`

The latest events of the [error log](error-log.md), from all processes; up to 1,000 are kept. \`log level\`
alone says what is reported of each subsystem; with levels it changes them in all workers at once,
until they are changed again or, with \`--for\`, for that time. \`SUBSYSTEM=default\` is what the
configuration says. Over HTTP: \`GET /log?level=L&subsystem=S&limit=N&after=LAST\`,
\`GET /log/levels\`, and \`POST /log/levels\` of \`application/json\` with
\`{"levels": {SUBSYSTEM: LEVEL or null}, "forMs": MILLISECONDS}\`; the name \`all\` stands for every
subsystem.

## Rollbacks

\`\`\`
sluice features list [--admin ADDRESS] [--json]
sluice features disable NAME [--admin ADDRESS] [--json]
sluice features enable NAME [--admin ADDRESS] [--json]
sluice features reset [--admin ADDRESS] [--json]
\`\`\`

When workers die in the same way again and again, a rollback switches the suspect feature off. \`list\` tells
what is off, why and until when, and the last steps; \`off\` switches a [feature](features.md) off
until an operator says \`on\`; \`reset\` switches everything on again and forgets. Over HTTP:
\`GET /features\`, and \`POST /features\` of \`application/json\` with \`{"off": NAME}\`, \`{"on": NAME}\` or
\`{"reset": true}\`.

## Flags

${rows.join('\n')}
${others.join('\n')}
## Files it keeps

| | |
| --- | --- |
| \`$XDG_STATE_HOME/sluice/localhost.pem\` (\`~/.local/state\`) | the self-signed certificate and its key |
| \`$XDG_CACHE_HOME/sluice/compiled\` (\`~/.cache\`) | compiled code, so that it starts fast |

Both may be removed at any time. Neither is needed: where the directory cannot be written, the
certificate lives in memory until the end, and each start compiles anew. Root uses neither in a directory
that another user may change (\`HOME\` kept by \`sudo -E\`, \`NODE_COMPILE_CACHE\`), says so, and takes
those of its own home.

## Configuration file

\`--config FILE\` reads YAML or JSON. It may hold the flags above, each under its name, and more than
flags can say: several hosts, groups of origins, routes. See [configuration file](configuration.md).

\`\`\`
sluice check FILE [--json]
sluice config explain [KEY] [--json]
sluice config schema
sluice config diff FILE FILE [--json]
\`\`\`

\`check\` tells everything that is wrong with a file, with line, column and what to write, and exits
with 2; or what the file comes to. It starts, makes and writes nothing. \`config explain\` says what a
key means (\`routes[].cache.lifetime\`; without a key: which there are), \`config schema\` prints the
JSON Schema of the file. \`config diff\` tells what differs between two files, key by key as they are
written, and exits with 1 when something does.
`;
}

/** YAML takes a leading bracket for a list. */
function fileExample(example: string): string {
  return example.startsWith('[') ? `"${example}"` : example;
}
