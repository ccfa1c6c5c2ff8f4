/** Reads a file of session ticket keys: 80 bytes each, one after the other, newest first. */
import { readFileSync, statSync } from 'node:fs';
import { UsageError, type Warn } from '../base/errors.ts';
import { TICKET_KEY_BYTES } from '../native/ticket-keys.ts';
import { TICKET_KEYS_MAX } from '../tls/ticket-ring.ts';
import { type ExplicitValue, refuse, warnOf } from './option-values.ts';

/** Of 48 bytes: name, then AES-128 and HMAC in one order or the other. */
const SHORT_KEY_BYTES = 48;

/** Permissions of anybody but the owner. */
const OTHERS_MASK = 0o077;

export interface TicketKeyFile {
  readonly keys: readonly Buffer[];
  /** What an operator should know, in whole sentences. */
  readonly warnings: readonly string[];
}

/** Throws UsageError, whose message begins with the path, for a file that cannot be used. */
export function readTicketKeyFile(path: string): TicketKeyFile {
  let bytes: Buffer;
  let mode = 0;
  try {
    bytes = readFileSync(path);
    mode = statSync(path).mode;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'no such file' : `cannot be read (${code})`;
    throw new UsageError(`${path}: ${why}`, 'name a file of keys that this user may read');
  }
  const count = bytes.length / TICKET_KEY_BYTES;
  if (!Number.isInteger(count) || count === 0) throw wrongSize(path, bytes.length);
  if (count > TICKET_KEYS_MAX) {
    const problem = `${path}: ${count} keys, which is more than ${TICKET_KEYS_MAX}`;
    throw new UsageError(problem, 'remove the last ones, which are the oldest');
  }
  const keys = Array.from({ length: count }, (_, i) =>
    bytes.subarray(i * TICKET_KEY_BYTES, (i + 1) * TICKET_KEY_BYTES),
  );
  const isOpen = (mode & OTHERS_MASK) !== 0;
  const warning =
    `${path}: others than its owner may read these keys, and with them all that was sent under ` +
    'their tickets early or by TLS 1.2; chmod 600 it';
  return { keys, warnings: isOpen ? [warning] : [] };
}

function wrongSize(path: string, length: number): UsageError {
  const isShort = length > 0 && length % SHORT_KEY_BYTES === 0;
  const kind = isShort ? ` (keys of ${SHORT_KEY_BYTES} bytes, with AES-128, are not taken)` : '';
  return new UsageError(
    `${path}: ${length} bytes, which is not one or more keys of ${TICKET_KEY_BYTES}${kind}`,
    `make one with openssl rand ${TICKET_KEY_BYTES} > FILE; to rotate, put a new one before it`,
  );
}

/** At a start, so that a mistake is told with its place. Throws UsageError. */
export function checkTicketKeyFile(given: ExplicitValue, path: string, warn: Warn): void {
  try {
    for (const warning of readTicketKeyFile(path).warnings) warnOf(given, warning, warn);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    refuse(given, error.message, error.remedy);
  }
}
