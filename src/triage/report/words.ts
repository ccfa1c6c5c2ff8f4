/** Findings in sentences, for the report and for the command. */
import { featureNamed } from '../../tls/features.ts';
import type { Findings, NamedFeature, TriageReport } from './report.ts';

export function namedFeature(name: string): NamedFeature {
  return { name, summary: featureNamed(name)?.summary ?? 'From a module of the operator’s.' };
}

const listed = (features: readonly NamedFeature[]) => features.map(({ name }) => name).join(', ');

/** One sentence. */
export function summaryOf(
  what: string,
  verdict: TriageReport['verdict'],
  findings: Findings,
): string {
  const { features, configuration, commit, reproduction } = findings;
  if (verdict === 'not-reproducible') {
    const tries = reproduction.runs === 1 ? 'one run' : `${reproduction.runs} runs`;
    return `${what} did not happen again in ${tries}: it depends on something that the incident does not record.`;
  }
  const reasons: string[] = [];
  if (features.blamed.length > 0) {
    const together = features.blamed.length > 1 ? ' together' : '';
    reasons.push(`${listed(features.blamed)}${together} to blame`);
  }
  if (configuration.status === 'found') {
    const paths = configuration.changes.map(({ path }) => path).join(', ');
    reasons.push(`only since ${paths} changed`);
  }
  if (commit.status === 'found')
    reasons.push(`since commit ${commit.commits[0]!.hash.slice(0, 10)}`);
  const why = reasons.length === 0 ? nothingFound(findings) : reasons.join('; ');
  return `${what}: ${why}${triggerWords(findings)}.`;
}

function nothingFound({ features, configuration }: Findings): string {
  const names = features.unclear.map(({ name }) => name);
  const open = [...names, ...configuration.unclear.map(({ path }) => path)];
  if (open.length === 0) return 'no feature, change or commit is to blame';
  return `the cause is unknown, because no experiment without ${open.join(', ')} could be run`;
}

function triggerWords({ trigger, received }: Findings): string {
  if (trigger === null) return '';
  return isRetried(received) === true ? '; a HelloRetryRequest is what triggers it' : '';
}

/** Null when it is not known. */
export function isRetried(received: readonly string[] | null): boolean | null {
  return received === null ? null : received.includes('handshake:hello_retry_request');
}

/** What to do now. */
export function adviceOf(verdict: TriageReport['verdict'], findings: Findings): string[] {
  if (verdict === 'not-reproducible') {
    return [
      'Keep the incident; the next one of the same signature may hold what this one lacks.',
      'Try with more runs (--runs), or on the machine where it happened.',
    ];
  }
  const { features, configuration, commit } = findings;
  const advice = features.blamed.map(
    ({ name }) => `Switch ${name} off: --feature ${name}=off, or \`features: { ${name}: off }\`.`,
  );
  for (const { path, before } of configuration.changes) {
    advice.push(`Set ${path} back${before === undefined ? '' : ` to ${JSON.stringify(before)}`}.`);
  }
  if (commit.status === 'found') advice.push(`Revert ${commit.commits[0]!.hash}.`);
  if (advice.length === 0) {
    advice.push('Refuse the trigger in front, and report the fault with this directory.');
  } else {
    advice.push('Keep the regression test, so that it does not come back.');
  }
  return advice;
}
