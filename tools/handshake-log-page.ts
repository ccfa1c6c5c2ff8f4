/** docs/reference/handshake-log.md, from the fields in src/worker/handshakes/handshake-log.ts. */
import {
  FAILURE_LINES_PER_SECOND,
  handshakeLogFields,
} from '../src/worker/handshakes/handshake-log.ts';

export function handshakeLogPage(): string {
  const rows = handshakeLogFields.map(({ name, doc }) => `| \`${name}\` | ${doc} |`);
  return `# Handshake log

<!-- Written by \`npm run docs\` from src/worker/handshakes/handshake-log.ts. -->

\`--handshake-log FILE\` (or \`-\`) writes a line per TLS handshake that failed, with
\`--handshake-log-scope all\` per handshake. A line is one JSON object with every field below; those
that are not known are \`null\`. What a client sent is escaped as JSON does: no ClientHello can forge a
line.

A worker writes at most ${FAILURE_LINES_PER_SECOND} lines about failures per second; the first
line after a gap says in \`suppressed\` how many were left out. Connections that end before their first
byte, as health checks make them, have no line; all are counted in \`sluice_tls_handshakes_total\`, and
what became of lines in \`sluice_handshake_log_lines_total\`.

| field | meaning |
| --- | --- |
${rows.join('\n')}

The most frequent failures, with the addresses, names and fingerprints behind them, are one command
away: \`sluice handshakes failures\`.
`;
}
