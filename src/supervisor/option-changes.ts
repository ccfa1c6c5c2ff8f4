/** What differs between two sets of options, key by key, without telling secrets. */

import { X509Certificate } from 'node:crypto';
import { certificateNames } from '../config/certificate.ts';
import type { SluiceOptions } from '../config/options.ts';
import { redacted } from '../triage/redaction.ts';

export interface OptionChange {
  /** As `listeners[0].endpoint.port`. */
  readonly key: string;
  /** JSON; of long texts and of keys only that they are there. */
  readonly before: string;
  readonly after: string;
}

/** Longer texts are certificates, keys and pages: nobody reads them in a list of changes. */
const SHOWN_LENGTH_MAX = 120;

/**
 * What a running sluice cannot change: sockets, processes and files that its parts share. An upgrade
 * does, without downtime.
 */
const FIXED_KEYS: readonly (keyof SluiceOptions)[] = [
  'listeners',
  'workers',
  'cacheSizeBytes',
  'cacheMemoryBytes',
  'cacheDirectory',
  'admin',
  'adminToken',
  'recorder',
  'autoDisable',
  'dangerModules',
  'account',
  'pidFile',
];

export function optionChanges(before: object, after: object): OptionChange[] {
  const changes: OptionChange[] = [];
  compare([], before, after, changes);
  return changes;
}

/** Those of the changes that need a restart or an upgrade. */
export function fixedChanges(changes: readonly OptionChange[]): OptionChange[] {
  return changes.filter(({ key }) => {
    const root = /^\w+/.exec(key)?.[0];
    return FIXED_KEYS.some((fixed) => fixed === root);
  });
}

function compare(
  path: readonly string[],
  before: unknown,
  after: unknown,
  changes: OptionChange[],
): void {
  if (Object.is(before, after)) return;
  if (isContainer(before) && isContainer(after) && Array.isArray(before) === Array.isArray(after)) {
    for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const part = Array.isArray(before) ? `[${name}]` : name;
      compare([...path, part], before[name], after[name], changes);
    }
    return;
  }
  changes.push({ key: keyOf(path), before: shown(path, before), after: shown(path, after) });
}

function keyOf(path: readonly string[]): string {
  return path.map((name, i) => (name.startsWith('[') || i === 0 ? name : `.${name}`)).join('');
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !ArrayBuffer.isView(value);
}

function shown(path: readonly string[], value: unknown): string {
  if (value === undefined) return 'none';
  if (path.at(-1) === 'certificatePem') return certificateText(String(value));
  const text = JSON.stringify(redacted(value, path), (_key, inner: unknown) =>
    typeof inner === 'string' && inner.length > SHOWN_LENGTH_MAX
      ? `(${inner.length} characters)`
      : inner,
  );
  return text.length <= SHOWN_LENGTH_MAX ? text : `${text.slice(0, SHOWN_LENGTH_MAX)}…`;
}

/** Who it is for, until when, and which it is. */
function certificateText(pem: string): string {
  try {
    const certificate = new X509Certificate(pem);
    const { validTo, fingerprint256 } = certificate;
    const who = certificateNames(certificate);
    const until = new Date(validTo).toISOString().slice(0, 10);
    return `certificate of ${who}, until ${until}, SHA-256 ${fingerprint256.slice(0, 23)}…`;
  } catch {
    return `(${pem.length} characters)`;
  }
}
