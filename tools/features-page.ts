/** docs/reference/features.md, from the table in src/tls/features.ts. */
import { type FeatureDefinition, featureTable } from '../src/tls/features.ts';

const intro = {
  handshake: `## Parts of the handshake

These features alter what is negotiated with a client.`,
  observer: `## Observers

An observer gets the record of a handshake after it has ended, and alters nothing. When it throws or
takes [too much processor time](limits.md#observers-of-handshakes), that is a fault, counted in
[\`sluice_observer_faults_total\`](metrics.md). After some faults the observer is disabled, named in the
log and in \`sluice_observer_disabled\`, and handshakes continue without it.
\`sluice handshakes enable NAME\` enables it again. So does a new worker, and a reload that enables it
after one that has disabled it; any other reload leaves it disabled.`,
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

Every feature that watches or alters TLS handshakes has a name, and can be disabled on its own:
\`--feature alpn-h2=off\`, as often as needed.

${sections.join('\n')}`;
}

function row({ name, isOnByDefault, summary }: FeatureDefinition): string {
  return `| \`${name}\` | ${isOnByDefault ? 'on' : 'off'} | ${summary} |`;
}
