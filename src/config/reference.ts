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

Serve, as in sluice --origin http://127.0.0.1:3000 --https 8443
  sluice [run] --origin URL [flags]   serve an origin
  sluice FILE.yaml [flags]            serve by a configuration file
  sluice demo [flags]                 serve a built-in origin, and print what to try
  sluice exec [flags] -- PROGRAM      start an app and serve it; restart it when it dies, and end with it
  sluice stop                         stop gracefully: finish the requests under way, then end
  sluice upgrade                      replace the running program by the one on disk, without downtime

Configure, as in sluice check sluice.yaml && sluice reload
  sluice check FILE                   list every mistake in a configuration file
  sluice reload [--canary TIME]       read the configuration again, and apply it
  sluice config explain [KEY]         describe a key of that file
  sluice config schema                print its JSON Schema, for editors
  sluice config diff FILE FILE        list what differs between two such files
  sluice import nginx FILE            write such a file from the configuration of another server

Watch, as in sluice log --follow --level warning
  sluice status                       show whether it serves, what is wrong now, and what to do
  sluice top                          show requests, hits, times, handshakes and origins, every second
  sluice log [--follow]               print the latest events of the error log, and new ones
  sluice log level [SUBSYSTEM=LEVEL]  show the log levels, or change them while it runs
  sluice metrics [--watch]            print all metrics, or draw them anew every second, with search

Origins, as in sluice origins drain app/10.0.0.1:3000
  sluice origins                      show the state of every origin server
  sluice origins drain GROUP/SERVER   take a server out of rotation (drain, down) or put it back (up)

The cache, as in sluice cache purge --tag article-17
  sluice cache status                 count what the cache holds
  sluice cache list                   list what is stored, page by page
  sluice cache lookup URL             show what is stored for a URL, or why nothing is
  sluice cache purge WHAT [--soft]    --url URL, --prefix URL, --host NAME, --tag TAG or --all
  sluice cache verify DIR             read a --cache-dir and list what is damaged

Certificates that sluice gets by itself, as in sluice certificates why www.example.org
  sluice certificates                 list them: issuer, end of validity, next order
  sluice certificates renew NAME      order the certificates of a name again (renew), or revoke them
  sluice certificates why NAME        explain why a name has its certificate, or none

TLS handshakes, as in sluice handshakes failures
  sluice handshakes failures          list the most frequent failures of TLS handshakes
  sluice handshakes observers         list the handshake observers, and which are disabled
  sluice handshakes enable NAME       enable an observer again that was disabled after faults

Crashes, as in sluice incidents list
  sluice incidents list               list recorded crashes and hangs, newest first
  sluice incidents show FILE          describe one of them
  sluice tls replay FILE              replay an incident's client, and report whether it fails again
  sluice triage INCIDENT              find the feature, change or commit to blame, and the smallest trigger
  sluice features list                list the features that are disabled, by whom and until when
  sluice features disable NAME        disable a feature until further notice
  sluice features enable NAME         enable a feature again
  sluice features reset               enable all of them again, and forget the deaths

Help, as in sluice help reload
  sluice help [COMMAND]               print this page, or the part about one command
  sluice completion bash|zsh|fish     print a completion script for your shell
  sluice version                      print the version

The commands that ask a running sluice take its --admin address (127.0.0.1:8081), and print JSON with
--json.

Flags (defaults in parentheses):
${flags.join('\n')}

Signals: SIGTERM and SIGINT stop gracefully; a second one ends at once. SIGUSR1 reopens the logs.
SIGHUP reloads the configuration, SIGUSR2 upgrades.
Exit codes: 0 ended in order, 1 failed while running, 2 a mistake in a flag or file, 3 (status) sluice
does not run.
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
sluice [run] FILE.yaml [flags]
sluice demo [flags]
sluice help [COMMAND]
sluice version
\`\`\`

[Commands](commands.md) has every command with its flags.

\`run\` serves an origin; \`demo\` brings its own origin and prints what to try. A flag is written
\`--flag value\` or \`--flag=value\`.

| | |
| --- | --- |
| SIGTERM, SIGINT | stop accepting, finish what runs within \`--drain-timeout\`, exit 0 |
| the same again | end at once |
| SIGUSR1 | reopen the logs, after they were moved away |
| SIGHUP | read the files again and apply what has changed; see \`sluice reload\` |
| SIGUSR2 | start the program on disk, which takes over the sockets; see \`sluice upgrade\` |
| exit code 0 | ended in order |
| exit code 1 | failed while running |
| exit code 2 | a mistake in a flag or file: one line on standard error says which, and the remedy |
| exit code 3 | of \`status\`: sluice does not run, as LSB has it |

## An app and sluice together

\`\`\`
sluice exec [--watch] [flags of run] -- PROGRAM [ARGUMENT]…
\`\`\`

Starts the program with \`PORT\` (a free port) and \`HOST\` (127.0.0.1) in its environment, waits until it
listens there, and serves it. \`$PORT\` in an argument stands for the port: for a program that takes it
from its command line, write it in single quotes.

- A program that ends before it has listened, or with exit code 0, ends sluice with the same exit code.
  One that dies later is started again, first after 250 ms, then after twice the time with each further
  death, up to 15 s; standard error says why it died.
- SIGTERM and SIGINT: sluice stops accepting and finishes what runs; then the program gets SIGTERM, and
  SIGKILL 10 s later. The exit code is the program's; 0 when the signal ended it.
- \`--watch\` starts the program again when a file in the current directory has changed. Files in
  \`node_modules\`, in \`dist\` and \`build\`, and those that begin with a dot do not count.

## Configurations of other servers

\`\`\`
sluice import nginx FILE [--output NEW.yaml] [--json]
sluice import nginx FILE --compare OLD_URL --with NEW_URL --urls FILE [--json]
\`\`\`

Reads an \`nginx.conf\`, or a file of \`conf.d\`, with all that it includes, and prints a configuration of
sluice. Beside each piece stands the line that it comes from. The report on standard error has a row for
every directive that was left out, that is imported with a difference or that needs nothing, and says
what to do instead; with \`--json\` it has one for all of them, on standard output.

What decides about access or safety is never left out in silence: the report says
so, and the exit code is 1. Whatever such a directive protected is closed (\`access: [{deny: all}]\`, with a
comment that says why) until you have decided. Exit code 0: nothing of the kind was left out; 2: the
files cannot be read.

With \`--compare\` nothing is written: the old server and a sluice that serves by the file are asked
for each URL of a file: \`/path\`, \`http://example.org/path\` or \`HEAD /path\` a line. Differences
in status, Location, headers and body are listed. Headers that name the server or the moment, and the
words of errors, are not compared. Exit code 1: there are some. Certificates are not verified.

See [import from nginx](../how-to/import-from-nginx.md).

## The cache

\`\`\`
sluice cache status [--admin ADDRESS] [--json]
sluice cache list [--prefix URL] [--limit N] [--after NEXT] [--admin ADDRESS] [--json]
sluice cache lookup URL [--admin ADDRESS] [--json]
sluice cache purge --url URL|--prefix URL|--host NAME|--tag TAG|--all [--soft] [--fail-if-none]
                   [--admin ADDRESS] [--json]
sluice cache verify DIR [--json]
\`\`\`

All but \`verify\` ask a running sluice at its \`--admin\` address, 127.0.0.1:8081 when left out.

- \`list\` shows what is stored, 100 responses at a time (\`--limit\`, up to 1000); \`--after\` asks for
  the next page. The order has no meaning on disk. With a \`--prefix\` that few responses have, a page
  may be empty although more pages follow.
- \`lookup\` shows every stored variant of a URL, with its freshness and where it is, or why the last
  response was not stored. Exit code 1 when nothing is stored.
- \`purge\` takes effect in all workers before it returns; responses that are on their way from the
  origin are not stored. A tag is a member of \`Surrogate-Key\` or \`Cache-Tag\`. A host is without
  port, and means all ports and both schemes. With \`--soft\`, stored responses become stale: sluice
  revalidates them with the origin, which need not send them again. It prints how many there
  were, or that nothing matched: exit code 1 then with \`--fail-if-none\`. Beyond 10,000 stored responses on
  disk only purges of a URL are counted.
- \`verify\` reads and checks every record of a \`--cache-dir\`. Exit code 1 when one is damaged; a
  damaged record is a miss when it is asked for.

A URL is looked up and purged by the keys that the rules of the routes make of it, with all that they
add: headers, cookies, slices.

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

Replays the client of an incident, or the trigger that a [triage report](triage-report.md) holds.
\`--connection\` chooses the connection; by default it is the suspect. \`verbatim\` sends the recorded
bytes, in the same writes and at the same times. \`re-enacted\` is a client with keys of its own, for
faults that depend on keys: the same versions, groups, shares, suites and extensions in the same order, a
ticket of this server where one was offered, early data and records of the same sizes. The default is
\`verbatim\` when all is recorded.

\`--against\` chooses what a sandbox instance on this machine runs, on loopback only, with certificates and
an origin of its own: \`incident\` (default: configuration and features as recorded), \`last-good\` (the
configuration before the last change), a configuration file, or the directory of another checkout of
sluice. \`--without\` disables features. With \`--target\` nothing is started; a connection that ends
without an alert then counts as a death of the server. Do not aim it at a server that others need.

Exit codes: 0 the same happened, 1 no fault happened, 2 it could not be tried, 3 another fault happened.

## Triage

\`\`\`
sluice triage INCIDENT [--out DIR] [--dimensions features,configuration,input,commits] [--runs N]
              [--repo DIR --good COMMIT [--bad COMMIT]] [--danger-module FILE] [--fresh] [--json]
\`\`\`

Reproduces an incident in sandbox instances on this machine, then finds out what can be left out while the
fault still happens: features, changes since the last good configuration, parts of what the
client sent and, with \`--repo\`, commits (by bisection, in work trees of their own). It writes
\`report.json\`, \`report.md\` and a regression test into \`--out\`, by default \`triage-INCIDENT\`
beside the incident; see [triage reports](triage-report.md). \`--runs\` (3) is how often each way to
reproduce it is tried at first; a fault that happens only sometimes is tried more often.
After Ctrl-C the same command continues where it stopped; \`--fresh\` starts from the beginning.

Over HTTP: \`GET /triage\` lists the reports beside the incidents, \`GET /triage?report=NAME\` is one of
them; the dashboard at \`/\` shows them.

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

## Features

\`\`\`
sluice features list [--admin ADDRESS] [--json]
sluice features disable NAME [--admin ADDRESS] [--json]
sluice features enable NAME [--admin ADDRESS] [--json]
sluice features reset [--admin ADDRESS] [--json]
\`\`\`

When workers die in the same way again and again, sluice disables the suspect feature (automatic rollback).
\`list\` shows which features are disabled, why and until when, and the last steps. \`disable\` disables a
[feature](features.md) until an operator enables it again with \`enable\`. \`reset\` enables all of them and
forgets the deaths. Over HTTP: \`GET /features\`, and \`POST /features\` of \`application/json\` with
\`{"disable": NAME}\`, \`{"enable": NAME}\` or \`{"reset": true}\`.

## A running sluice

\`\`\`
sluice status [--admin ADDRESS] [--json]
sluice top [--admin ADDRESS] [--json]
sluice metrics [--watch] [--search WORDS] [--admin ADDRESS] [--json]
sluice origins [list|up|drain|down GROUP/SERVER] [--admin ADDRESS] [--json]
sluice certificates [list|renew|revoke|why NAME] [--admin ADDRESS] [--json]
sluice handshakes failures|observers|enable NAME [--admin ADDRESS] [--json]
sluice reload [--canary TIME] [--admin ADDRESS] [--json]
sluice upgrade [--admin ADDRESS] [--json]
sluice stop [--admin ADDRESS] [--json]
\`\`\`

- \`status\` shows whether sluice serves and the state of each worker. Exit code 1 when it does not
  serve, 3 when it does not run.
- \`top\` shows requests, hit rates, times, handshakes and origins once a second, until Ctrl-C; the
  [dashboard](../how-to/watch-live.md) shows the same in a browser.
- \`metrics\` prints all [metrics](metrics.md) as Prometheus reads them; with \`--search\` those whose names
  or labels hold these words (exit code 1 when there are none). \`--watch\` draws them with their rates, anew
  every second; \`/\` searches, \`h\` names the other keys.
- \`origins\` shows the state of every server; \`drain\` gives a server no new requests, \`down\` marks it
  down, \`up\` puts it back into rotation. See [origins](../explanation/origins.md).
- \`certificates\` shows the certificates that sluice gets by itself: who has issued them, until when
  they are valid, when the next order is, and why the last one failed. \`renew\` orders one again,
  \`revoke\` has its authority revoke it, and orders another. \`why\` shows what is served and what would
  prevent an order: the name leads elsewhere, CAA forbids it. See
  [certificates from Let's Encrypt](../how-to/get-certificates-by-themselves.md).
- \`handshakes\` lists the most frequent failures and the handshake observers. An observer that is disabled
  after faults is called again after \`enable\`.
- \`reload\` reads the configuration again and applies it; with \`--canary\` one worker runs it for that
  time first. See [reload the configuration](../how-to/reload-the-configuration.md).
- \`upgrade\` starts the program on disk, which takes over the sockets. See
  [upgrade](../how-to/upgrade-without-downtime.md).
- \`stop\` accepts no more connections, finishes the requests under way within \`--drain-timeout\`, and ends.

\`sluice completion bash|zsh|fish\` prints a [completion script](../how-to/complete-commands-in-the-shell.md).

## Flags

${rows.join('\n')}
${others.join('\n')}
## Files that sluice keeps

| | |
| --- | --- |
| \`$XDG_STATE_HOME/sluice/localhost.pem\` (\`~/.local/state\`) | the self-signed certificate and its key |
| \`$XDG_CACHE_HOME/sluice/compiled\` (\`~/.cache\`) | compiled code, so that it starts fast |

Both may be removed at any time. Neither is needed: where the directory cannot be written, the
certificate is kept in memory, and each start compiles again. Root uses neither in a directory
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

\`check\` lists every mistake in a file, with line, column and what to write, and exits with 2; without a
mistake it prints a summary. It starts and writes nothing. \`config explain\` describes a key
(\`routes[].cache.lifetime\`; without a key it lists them), \`config schema\` prints the JSON Schema of the
file. \`config diff\` lists what differs between two files, key by key, and exits with 1 when something does.
`;
}

/** YAML takes a leading bracket for a list. */
function fileExample(example: string): string {
  return example.startsWith('[') ? `"${example}"` : example;
}
