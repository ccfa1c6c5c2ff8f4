import { EARLY_DATA_IN_FLIGHT_BYTES_DEFAULT } from '../../tls/host-options.ts';
import {
  TICKET_KEYS_MAX,
  TICKET_LIFETIME_SECONDS_DEFAULT,
  TICKET_ROTATION_MS_DEFAULT,
  TICKETS_PER_HANDSHAKE_DEFAULT,
} from '../../tls/ticket-ring.ts';
import type { TlsOptions } from '../options.ts';
import type { TlsEntry } from '../schema/tls.ts';
import type { CompileContext } from './context.ts';

/** RFC 8446 §4.6.1. */
const TICKET_LIFETIME_MS_MAX = 7 * 86_400_000;

export function compileTls(entry: TlsEntry, context: CompileContext): TlsOptions {
  const keyLog = entry['key-log'] ?? null;
  if (keyLog !== null) {
    context.warn(['key-log'], `a reader of ${keyLog} can decrypt all traffic`);
  }
  const ticketLifetimeMs = entry['ticket-lifetime'] ?? TICKET_LIFETIME_SECONDS_DEFAULT * 1_000;
  const ticketRotationMs = entry['ticket-rotation'] ?? TICKET_ROTATION_MS_DEFAULT;
  if (ticketLifetimeMs < 1_000 || ticketLifetimeMs > TICKET_LIFETIME_MS_MAX) {
    context.refuse(['ticket-lifetime'], 'not from 1 s to 7 d', 'RFC 8446 §4.6.1 allows no more');
  }
  if (ticketRotationMs < 1_000 || ticketLifetimeMs / ticketRotationMs > TICKET_KEYS_MAX - 2) {
    context.refuse(
      ['ticket-rotation'],
      `keys would change more than ${TICKET_KEYS_MAX - 2} times in the lifetime of a ticket`,
      'write a longer time, or a shorter ticket-lifetime',
    );
  }
  return {
    keyLog,
    ticketKeyFile: null,
    ticketRotationMs,
    ticketLifetimeSeconds: Math.floor(ticketLifetimeMs / 1_000),
    ticketsPerHandshake: entry['tickets-per-handshake'] ?? TICKETS_PER_HANDSHAKE_DEFAULT,
    earlyDataInFlightBytesMax:
      entry['early-data-in-flight-max'] ?? EARLY_DATA_IN_FLIGHT_BYTES_DEFAULT,
  };
}
