/** docs/reference/features.md, from the table in src/tls/features.ts. */
import { type FeatureDefinition, featureTable } from '../src/tls/features.ts';

const intro = {
  handshake: `## Parts of the handshake

Each alters what is agreed with a client.`,
  observer: `## Observers

Each is given the record of a handshake after it has ended, and alters nothing. One that throws, or
takes [too much processor time](limits.md#observers-of-handshakes), is noted in
[\`sluice_observer_faults_total\`](metrics.md). After some faults it is cut off, named in the log and
in \`sluice_observer_disabled\`, and handshakes go on without it. \`sluice handshakes rearm NAME\`
calls it again. So does a new worker, and a reload that switches it on after one that has switched
it off; any other reload leaves it cut off.`,
} as const;

export function featuresPage(): string {
  const sections = (['handshake', 'observer'] as const).map((kind) => {
    const rows = featureTable.filter((feature) => feature.kind === kind).map(row);
    return `${intro[kind]}

| name | default | what it does |
| --- | --- | --- |
${rows.join('\n')}
`;
  });
  return `# Features of handshakes

<!-- Written by \`npm run docs\` from src/tls/features.ts. -->

Everything that watches or alters TLS handshakes has a name and can be switched off on its own:
\`--feature alpn-h2=off\`, as often as needed.

${sections.join('\n')}`;
}

function row({ name, isOnByDefault, summary }: FeatureDefinition): string {
  return `| \`${name}\` | ${isOnByDefault ? 'on' : 'off'} | ${summary} |`;
}
