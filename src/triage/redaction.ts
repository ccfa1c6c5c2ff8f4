/** What of a configuration may stand in an incident: everything but secrets. */
import { createHash } from 'node:crypto';
import type { IncidentOptions, JsonValue } from './incident.ts';

export const REDACTED = '(redacted)';

/** Names of options whose values are secrets, whatever they look like. */
const SECRET_NAME = new RegExp(
  [
    ...['authorization', 'cookie', 'password', 'passphrase', 'passwd', 'secret', 'credential'],
    ...['token', 'api-?key', 'key-?pem', 'private-?key', 'ticket-?keys?$', 'auth-?key'],
    'webhook$',
  ].join('|'),
  'i',
);

/**
 * Options that are maps by names of headers and parameters: their values are credentials as often as
 * not. What the schema marks as secret in a file ends here; test/config/secrets.test.ts compares.
 */
const SECRET_MAPS: ReadonlySet<string> = new Set([
  ...['set', 'add', 'fields', 'headers', 'querySet', 'env'],
  // Of conditions.
  ...['cookies', 'query', 'setCookies', 'responseHeaders'],
]);

/** Options that are URLs with a password in them. */
const SECRET_URLS: ReadonlySet<string> = new Set(['cluster']);

/** A block of PEM that holds a private key, also within a longer text. */
const PRIVATE_KEY =
  /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g;

/**
 * The user information of a URL, `redis://user:password@host`, up to the last `@`: passwords are
 * written with any character. Of a URL with an `@` in its path too much is left out.
 */
const USER_INFORMATION = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s"'<>]*@/gi;

/** Any text, without what is known to be secret by its form. */
export function redactedText(text: string): string {
  return text.replace(PRIVATE_KEY, REDACTED).replace(USER_INFORMATION, `$1${REDACTED}@`);
}

/**
 * Options, or a part of them at `path` (an item of a list is `[0]`), as JSON without secrets: the one
 * function for incidents, `/config`, and the changes that a reload tells. Bytes, functions and such are
 * left out.
 */
export function redacted(value: unknown, path: readonly string[] = []): JsonValue {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (isSecretAt(path, value)) return REDACTED;
  if (typeof value === 'string') return redactedText(value);
  if (Array.isArray(value)) return value.map((item, i) => redacted(item, [...path, `[${i}]`]));
  // Bytes of an option are a key or a certificate's: nothing that a reader needs.
  if (typeof value !== 'object' || ArrayBuffer.isView(value)) return REDACTED;
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return Object.fromEntries(
    entries
      .filter(([, item]) => item !== undefined)
      .map(([name, item]) => [String(name), redacted(item, [...path, String(name)])]),
  );
}

/** A secret's name may also name a switch or a group of options. */
function isSecretAt(path: readonly string[], value: unknown): boolean {
  const name = path.at(-1) ?? '';
  const parent = path.at(-2) ?? '';
  if (typeof value === 'string') {
    if (value === '') return false;
    if (isOfPlugin(path)) return true;
    if (SECRET_MAPS.has(parent) && !name.startsWith('[')) return true;
    // How a condition compares a value of such a map.
    if (name === 'text' && SECRET_MAPS.has(path.at(-3) ?? '')) return true;
    return SECRET_NAME.test(name) || (SECRET_URLS.has(parent) && name === 'url');
  }
  return SECRET_NAME.test(name) && (Array.isArray(value) || ArrayBuffer.isView(value));
}

/** The code of a plugin is long and its version stands beside it; what its options mean only it knows. */
function isOfPlugin([section, , part, , text]: readonly string[]): boolean {
  if (section !== 'plugins') return false;
  return part === 'options' || (part === 'modules' && text === 'text');
}

/** With keys in order, so that equal values have equal texts. */
function canonicalJson(value: JsonValue): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const record = value as { readonly [key: string]: JsonValue };
  const names = Object.keys(record).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalJson(record[name]!)}`).join(',')}}`;
}

export function incidentConfiguration(options: object): IncidentOptions {
  const safe = redacted(options);
  const digest = createHash('sha256').update(canonicalJson(safe)).digest('hex');
  return { digest, options: safe };
}
