/**
 * Each key of the configuration is used by a test of what it does, besides the tests of this folder
 * that only read it: a new key without one is found out here.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { allKeys } from '../../src/config/keys.ts';
import { configurationSchema } from '../../src/config/schema/configuration.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Tests that only read or list keys. */
const readersOnly = /^(?:src\/config|test\/config|test\/docs|test\/cli\/(?:check|reference))/;

/** Of keys whose tests use the part of the program that the option goes to, by its words. */
const otherWords: Record<string, string> = {
  'capsule-addresses': 'addresses: true',
  'capsule-early-data-digest': 'digestsEarlyData',
  'recorder.early-data-digest': 'digestsEarlyData',
  'fuse-deaths': 'deathsMax:',
  'fuse-window': 'windowMs',
  'fuse-webhook': 'webhook',
  'admin.token-file': '--admin-token-file',
  'listeners[].fast-open': 'fast-open',
  'hosts[].tls.client-certificates.chain-field': 'Client-Cert-Chain',
  'hosts[].tls.ocsp-stapling': 'ocspStapling',
  'hosts[].tls.certificate-compression': 'certificateCompression',
  'features.certificate-compression': 'certificateCompression',
  'features.ocsp-stapling': "'ocsp-stapling': false",
  'hosts[].early-data.in-flight-max': 'in-flight-max',
  'tls.ticket-lifetime': 'ticketLifetime',
  'origins.*.slow-start': 'slowStartMs',
  'origins.*.passive-health.on-5xx': 'on5xx',
  'origins.*.tls.danger-skip-verification': '--danger-skip-origin-verification',
  'features.handshake-metrics': "without('handshake-metrics'",
  'features.failure-capsules': 'failure-capsules=off',
  'features.session-tickets': "without('session-tickets'",
};

const texts = ['src', 'test']
  .flatMap((top) =>
    readdirSync(`${root}${top}`, { recursive: true }).map((path) => `${top}/${path}`),
  )
  .filter((path) => path.endsWith('.test.ts') && !readersOnly.test(path))
  .map((path) => readFileSync(`${root}${path}`, 'utf8'));

/** As a flag, as a key of a file, or as the option that comes of it, with a unit perhaps. */
function wordsOf(path: string): RegExp {
  const other = otherWords[path];
  if (other !== undefined) return new RegExp(RegExp.escape(other));
  const name = path.split('.').at(-1)!.replace('[]', '');
  const option = name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  const escaped = RegExp.escape(name);
  const units = '(?:Ms|Bytes|Max|Min)?';
  return new RegExp(`--${escaped}\\b|['"{ ,]${escaped}['"]?:|\\b${option}${units}\\b\\s*[:,}]`);
}

const keys = allKeys({ path: '', schema: configurationSchema }).map(({ path }) => path);

for (const path of keys) {
  // `headers.*` is any name: that of the map is looked for.
  if (path.endsWith('*')) continue;
  test(`a test shows what ${path} does`, () => {
    const words = wordsOf(path);
    assert.ok(
      texts.some((text) => words.test(text)),
      `no test of what it does has ${words}`,
    );
  });
}

test('other words are for keys that there are', () => {
  for (const path of Object.keys(otherWords)) assert.ok(keys.includes(path), path);
});
