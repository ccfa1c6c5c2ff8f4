/** What of a configuration may stand in a capsule: everything but secrets. */
import { createHash } from 'node:crypto';
import type { CapsuleOptions, JsonValue } from './capsule.ts';

export const REDACTED = '(redacted)';

/** Names of options and of fields whose values are secrets, whatever they look like. */
const SECRET_NAME = new RegExp(
  [
    ...['authorization', 'cookie', 'password', 'passphrase', 'passwd', 'secret', 'credential'],
    ...['token', 'api-?key', 'key-?pem', 'private-?key', 'ticket-?keys?$', 'auth-?key'],
  ].join('|'),
  'i',
);

/** A block of PEM that holds a private key, also within a longer text. */
const PRIVATE_KEY =
  /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g;

/** The user information of a URL: `redis://user:password@host`. */
const USER_INFORMATION = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@"']*@/gi;

function redactedText(text: string): string {
  return text.replace(PRIVATE_KEY, REDACTED).replace(USER_INFORMATION, `$1${REDACTED}@`);
}

/** Plain data of any shape, as JSON: octets, functions and such are left out. */
export function redacted(value: unknown): JsonValue {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'string') return redactedText(value);
  if (Array.isArray(value)) return value.map(redacted);
  // Octets of an option are a key or a certificate's: nothing that a reader needs.
  if (typeof value !== 'object' || ArrayBuffer.isView(value)) return REDACTED;
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return Object.fromEntries(
    entries
      .filter(([, item]) => item !== undefined)
      .map(([name, item]) => [
        String(name),
        isSecret(String(name), item) ? REDACTED : redacted(item),
      ]),
  );
}

/** A secret's name may also name a switch or a group of options. */
function isSecret(name: string, value: unknown): boolean {
  if (!SECRET_NAME.test(name)) return false;
  return typeof value === 'string'
    ? value !== ''
    : Array.isArray(value) || ArrayBuffer.isView(value);
}

/** A line of YAML or JSON that gives a secret its value. */
const SECRET_LINE = new RegExp(
  `^(\\s*(?:-\\s*)?\\{?\\s*["']?[\\w-]*(?:${SECRET_NAME.source})[\\w-]*["']?\\s*:\\s*)(?=\\S)(?!\\{).*$`,
  'gim',
);

/** As written, line by line, without secrets. Comments stay. */
export function redactedConfigurationText(text: string): string {
  return redactedText(text).replace(SECRET_LINE, `$1${REDACTED}`);
}

/** With keys in order, so that equal values have equal texts. */
function canonicalJson(value: JsonValue): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const record = value as { readonly [key: string]: JsonValue };
  const names = Object.keys(record).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalJson(record[name]!)}`).join(',')}}`;
}

export function capsuleConfiguration(options: object): CapsuleOptions {
  const safe = redacted(options);
  const digest = createHash('sha256').update(canonicalJson(safe)).digest('hex');
  return { digest, options: safe };
}
