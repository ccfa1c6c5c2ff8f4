/** The reference pages that come from tables in the source, by file name. */
import { commandHelps } from '../src/cli/command-help.ts';
import { commands } from '../src/cli/commands.ts';
import { jsonSchemaText } from '../src/config/json-schema.ts';
import { commandLineReference } from '../src/config/reference.ts';
import { configurationSchema } from '../src/config/schema/configuration.ts';
import { accessLogFields, accessLogLine } from '../src/telemetry/access-log-line.ts';
import { type ExchangeSummary, emptySummary } from '../src/telemetry/exchange-summary.ts';
import { type MetricDefinition, metricTable } from '../src/telemetry/metric-table.ts';
import { namedLogFields } from '../src/telemetry/named-log-fields.ts';
import { commandsPage } from './commands-page.ts';
import { configurationPage } from './configuration-page.ts';
import { featuresPage } from './features-page.ts';
import { handshakeLogPage } from './handshake-log-page.ts';
import { libraryPage } from './library-page.ts';
import { limitsPage } from './limits-page.ts';

export async function referencePages(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['docs/reference/command-line.md', commandLineReference()],
    ['docs/reference/commands.md', commandsPage(await commandHelps(commands))],
    ['docs/reference/configuration.md', configurationPage()],
    ['schema/sluice.schema.json', jsonSchemaText(configurationSchema)],
    ['docs/reference/metrics.md', metricsReference()],
    ['docs/reference/features.md', featuresPage()],
    ['docs/reference/handshake-log.md', handshakeLogPage()],
    ['docs/reference/access-log.md', accessLogReference()],
    ['docs/reference/library.md', libraryPage()],
    ['docs/reference/limits.md', await limitsPage()],
  ]);
}

function metricsReference(): string {
  const rows = Object.values<MetricDefinition>(metricTable).map(
    ({ name, type, help, labels, merge }) => {
      const shown = labels.map((label) => `\`${label.name}\``).join(', ') || '–';
      const worst = merge === 'max' ? ' Workers: the largest.' : '';
      return `| \`${name}\` | ${type} | ${shown} | ${help}${worst} |`;
    },
  );
  return `# Metrics

<!-- Written by \`npm run docs\` from src/telemetry/metric-table.ts. -->

\`--admin\` serves them: \`/metrics\` as Prometheus text (version 0.0.4), \`/stats\` as JSON
together with the workers' states, \`/healthz\` answers 200 while at least one worker
serves and 503 otherwise, \`/readyz\` also says whether an origin can get requests.

Values are sums over all workers, and a worker's counts survive its death. Times are in seconds,
sizes in bytes. Histograms have the bounds 64 µs, 128 µs, … doubled to 67 s. Series that are zero
are left out, except those of metrics without labels. A label that names what a peer chose (a group,
an error code) has a fixed number of names; more count as \`other\`.

| name | type | labels | meaning |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}

function accessLogReference(): string {
  const places = {
    classic: 'in its classic place',
    added: 'after the classic ones',
    no: 'no',
    asked: 'no, and in `json` only with `fields`',
  };
  const rows = accessLogFields.map(
    ({ name, doc, combined }) => `| \`${name}\` | ${doc} | ${places[combined]} |`,
  );
  const named = namedLogFields.map(
    ({ prefix, doc }) => `| \`${prefix}NAME\` | ${doc} | ${places.asked} |`,
  );
  return `# Access log

<!-- Written by \`npm run docs\` from src/telemetry/access-log-line.ts. -->

\`--access-log FILE\` (or \`-\`) writes a line for each request when it has ended. A malformed request that
was refused has a line with its \`error\`, too. \`--log-format\` chooses the format. The section
[\`logs\`](configuration.md) has any number of logs, each with its format, filter, sample and rotation; a
reload changes them.

\`combined\` is the format of that name, with fields added at the end as \`key=value\`; those that
do not apply are left out:

\`\`\`
${accessLogLine('combined', exampleSummary()).trimEnd()}
\`\`\`

\`json\` is one object per line with every field below; those that do not apply are \`null\`.
With \`fields\`, it has those alone, in that order.

Any other \`format\` is text with fields in it, each as \`\${name}\`; what is not known is \`-\`, and yes
and no are 1 and 0:

\`\`\`yaml
logs:
  - target: /var/log/sluice/access.log
    format: '\${time} \${remote} "\${request}" \${status} \${duration_ms} \${group}'
\`\`\`

Bytes of peers are escaped: in \`combined\`, quotes, backslashes and bytes outside printable ASCII
become \`\\xHH\`, in a format string as well; in \`json\`, as JSON does. No request can forge a line or
a field.

Lines are collected for at most 250 ms and written by a separate thread. When the log cannot keep
up, lines are dropped and counted in \`sluice_access_log_dropped_total\`; traffic never waits.

What Traffic Server calls these fields is in
[coming from other servers](../how-to/coming-from-other-servers.md).

| field | meaning | in \`combined\` |
| --- | --- | --- |
${[...rows, ...named].join('\n')}

The names that nginx, HAProxy and Traffic Server have for them are known, too: a format in their words is
refused with the same format in these. Figures of TCP are read from the kernel for lines that name them,
and for no others.
`;
}

function exampleSummary(): ExchangeSummary {
  return {
    ...emptySummary(),
    startedAtMs: Date.UTC(2026, 10, 22, 10),
    remoteAddress: '127.0.0.1',
    method: 'GET',
    scheme: 'https',
    authority: 'localhost:8443',
    path: '/cached',
    version: '1.1',
    userAgent: 'curl/8.5.0',
    status: 200,
    responseBytes: 1024,
    durationMs: 0.31,
    firstByteMs: 0.3,
    cache: 'hit',
    tls: {
      version: 'TLSv1.3',
      cipher: 'TLS_AES_128_GCM_SHA256',
      group: 'X25519MLKEM768',
      resumed: false,
      handshakeMs: 1.9,
    },
  };
}
