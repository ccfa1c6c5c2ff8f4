/** What would keep an authority from issuing, found out beforehand, in words: names and CAA (RFC 8659). */
import type { ChallengeType } from './contract.ts';

export interface CaaRecord {
  readonly critical: boolean;
  /** `issue`, `issuewild` and so on, in lower case. */
  readonly tag: string;
  readonly value: string;
}

/** How names are looked up. Both resolve with nothing for what is not there. */
export interface LookUp {
  addresses(name: string): Promise<readonly string[]>;
  caa(name: string): Promise<readonly CaaRecord[]>;
}

export interface Finding {
  /** False: the authority would refuse, so that it need not be asked. */
  readonly isHint: boolean;
  readonly words: string;
}

export interface PrecheckInput {
  readonly names: readonly string[];
  readonly challenges: readonly ChallengeType[];
  /** By which the authority is meant in CAA; none when it does not say. */
  readonly identities: readonly string[];
  /** Addresses of this machine. */
  readonly own: readonly string[];
  readonly lookUp: LookUp;
}

/** A look-up that fails says nothing: the authority may see more. */
export async function precheck(input: PrecheckInput): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const name of input.names) {
    findings.push(...(await quietly(() => addressFindings(name, input))));
    findings.push(...(await quietly(() => caaFindings(name, input))));
  }
  return findings;
}

async function quietly(body: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await body();
  } catch {
    return [];
  }
}

async function addressFindings(name: string, input: PrecheckInput): Promise<Finding[]> {
  const { challenges, own, lookUp } = input;
  // Proved by a record alone: it need not lead anywhere.
  if (name.startsWith('*.') || !challenges.some((type) => type !== 'dns-01')) return [];
  const addresses = await lookUp.addresses(name);
  if (addresses.length === 0) {
    return [{ isHint: true, words: `${name} has no address in DNS` }];
  }
  if (addresses.some((address) => own.includes(address))) return [];
  const words = `${name} leads to ${addresses.join(', ')}, which is no address of this machine`;
  return [{ isHint: true, words }];
}

async function caaFindings(name: string, input: PrecheckInput): Promise<Finding[]> {
  const { identities, lookUp } = input;
  if (identities.length === 0) return [];
  const isWildcard = name.startsWith('*.');
  const base = isWildcard ? name.slice(2) : name;
  for (const at of ancestors(base)) {
    const records = await lookUp.caa(at);
    if (records.length === 0) continue;
    if (isIssuanceAllowed(records, isWildcard, identities)) return [];
    const said = records.map(({ tag, value }) => `${tag} "${value}"`).join(', ');
    const words = `CAA at ${at} (${said}) does not allow ${identities.join(', ')} to issue for ${name}`;
    return [{ isHint: false, words }];
  }
  return [];
}

/** A name, and each above it but the root (RFC 8659 §3). */
function ancestors(name: string): string[] {
  const labels = name.split('.');
  return labels.map((_, i) => labels.slice(i).join('.'));
}

/** RFC 8659 §4.2, §4.3. */
function isIssuanceAllowed(
  records: readonly CaaRecord[],
  isWildcard: boolean,
  identities: readonly string[],
): boolean {
  const known = new Set([
    'issue',
    'issuewild',
    'iodef',
    'issuemail',
    'contactemail',
    'contactphone',
  ]);
  if (records.some(({ critical, tag }) => critical && !known.has(tag))) return false;
  const ofTag = (wanted: string) => records.filter(({ tag }) => tag === wanted);
  const wild = isWildcard ? ofTag('issuewild') : [];
  const relevant = wild.length > 0 ? wild : ofTag('issue');
  if (relevant.length === 0) return true;
  return relevant.some(({ value }) =>
    identities.includes(value.split(';')[0]!.trim().toLowerCase()),
  );
}
