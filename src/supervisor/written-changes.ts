/**
 * What a reload changes, as it is written in the file: by the file's own keys, and beside them what has
 * changed in files that it names, of certificates by subject, expiry and fingerprint.
 */
import type { KeyChange } from '../config/difference.ts';
import type { OptionChange } from './option-changes.ts';

/** Names of options that are written in another way than by their own words with hyphens. */
const WRITTEN: Readonly<Record<string, string>> = {
  cacheSizeBytes: 'cache.size',
  cacheMemoryBytes: 'cache.memory',
  cacheDirectory: 'cache.directory',
  adminToken: 'admin-token-file',
  recorder: 'incidents',
  dangerModules: 'danger-module',
  account: 'user',
  drainTimeoutMs: 'drain-timeout',
  drainGraceMs: 'drain-grace',
  errorLog: 'error-log',
  requestBody: 'timeouts.request-body',
};

/** The key of an option, as it is written: of `cacheSizeBytes` it is `cache.size`. */
export function writtenKey(key: string): string {
  const root = /^\w+/.exec(key)?.[0] ?? '';
  const whole = Object.hasOwn(WRITTEN, root) ? WRITTEN[root]! + key.slice(root.length) : key;
  return hyphened(whole.replace(/^(hosts\[\d+\])\.tls\.(certificates|names)/, '$1.$2'));
}

function hyphened(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/**
 * `written` are the changes of the file's keys, `changes` those of what they come to. What a change of the
 * file explains is not said twice.
 */
export function changesForPeople(
  written: readonly KeyChange[],
  changes: readonly OptionChange[],
): OptionChange[] {
  const sections = new Set(written.map(({ key }) => sectionOf(key)));
  const beside = changes.filter(
    ({ key }) =>
      key.endsWith('.certificatePem') ||
      !(sections.has(sectionOf(writtenKey(key))) || key.endsWith('.keyPem')),
  );
  return [
    ...written.map(({ key, before, after }) => ({
      ...{ key, before: before || 'not there', after: after || 'not there' },
    })),
    ...beside.map(({ key, before, after }) => {
      return { key: writtenKey(key.replace(/\.certificatePem$/, '')), before, after };
    }),
  ];
}

/** The part of the file that a key is in: flags have keys of their own for some. */
function sectionOf(key: string): string {
  const root = /^[\w-]+/.exec(key)?.[0] ?? '';
  return { cert: 'hosts', key: 'hosts', origin: 'origins', routes: 'routes' }[root] ?? root;
}
