/** Findings in sentences, for the report and for the command. */
import { featureNamed } from '../../tls/features.ts';
import type { Age, Findings, NamedFeature, TriageReport } from './report.ts';

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
  const { features, rules, configuration, commit, reproduction } = findings;
  if (verdict === 'not-reproducible') {
    const tries = reproduction.runs === 1 ? 'one run' : `${reproduction.runs} runs`;
    return `${what} did not happen again in ${tries}: it depends on something that the incident does not record.`;
  }
  const reasons: string[] = [];
  if (features.blamed.length > 0) {
    const together = features.blamed.length > 1 ? ' together' : '';
    reasons.push(`${listed(features.blamed)}${together} to blame`);
  }
  if (rules.status === 'found') {
    const names = rules.rules.map(({ route, rule }) => `${rule} of route ${route || '(unnamed)'}`);
    reasons.push(`only with ${names.join(' and ')}`);
  }
  if (configuration.status === 'found') {
    const paths = configuration.changes.map(({ path }) => path).join(', ');
    reasons.push(`only since ${paths} changed`);
  }
  if (commit.status === 'found')
    reasons.push(`since commit ${commit.commits[0]!.hash.slice(0, 10)}`);
  if (reproduction.age !== undefined) reasons.push(ageWords(reproduction.age));
  const isKnown = verdict === 'cause-found';
  const why = isKnown ? reasons.join('; ') : [nothingFound(findings), ...reasons].join('; ');
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

/** As `always at request 1001 of a worker`. */
export function ageWords({ of, counts }: Age): string {
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const what = of === 'requests' ? 'request' : 'handshake';
  if (least === most) return `always at ${what} ${least} of a worker`;
  return `at ${what} ${least} to ${most} of a worker`;
}

/** Whether a test may stand: tried with the fault, and without it. */
export function isProven({
  proof,
  configuration,
  commit,
  rules,
}: Pick<TriageReport, 'proof' | 'configuration' | 'commit' | 'rules'>): boolean {
  // A report of an older version does not say.
  if (proof === undefined) return true;
  if (proof === null || !proof.fails) return false;
  if (proof.passes !== null) return proof.passes;
  // What was to blame was left out when it was looked for.
  return [configuration, commit, rules].some((one) => one?.status === 'found');
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
  const { features, rules, configuration, commit } = findings;
  const advice = features.blamed.map(
    ({ name }) => `Switch ${name} off: --feature ${name}=off, or \`features: { ${name}: off }\`.`,
  );
  for (const { path, before } of configuration.changes) {
    advice.push(`Set ${path} back${before === undefined ? '' : ` to ${JSON.stringify(before)}`}.`);
  }
  for (const { route, rule, path } of rules.rules) {
    advice.push(`Do without ${rule} of route ${route || '(unnamed)'} (${path}), if that may be.`);
  }
  if (commit.status === 'found') advice.push(`Revert ${commit.commits[0]!.hash}.`);
  if (advice.length === 0) {
    advice.push('Refuse the trigger in front, and report the fault with this directory.');
  }
  if (isProven(findings)) {
    advice.push('Keep the regression test, so that it does not come back.');
  }
  return advice;
}
