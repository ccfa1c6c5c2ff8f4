/**
 * What OpenSSL asks a server about sessions, from inside of a handshake: whether a ticket may be
 * resumed, and whether early data under it is accepted. It is told of the connection that is meant,
 * which has what was decided about its ClientHello (`Ssl.decision`).
 */
import type { SteadyClock } from '../base/clock.ts';
import { Callback } from './callbacks.ts';
import { stringAt } from './load.ts';
import { addressOf, NativeBuffer } from './memory.ts';
import { libssl } from './openssl-table.ts';
import { dateSession, judgedAgeMs, policyMarkOf, putSessionTimeRight } from './session-marks.ts';
import { type Ssl, sslAt } from './ssl.ts';
import {
  addressOfContext,
  CLIENT_RANDOM_BYTES,
  isNameOfSession,
  type SslContext,
} from './ssl-context.ts';

const { checked } = libssl;
const { SSL_get_session, SSL_SESSION_get0_hostname } = libssl.direct;
const { SSL_SESSION_get0_cipher, SSL_CIPHER_get_id } = libssl.direct;

// What became of a ticket, and what is to become of it (SSL_CTX_set_session_ticket_cb).
const SSL_TICKET_SUCCESS = 5;
const SSL_TICKET_SUCCESS_RENEW = 6;
const SSL_TICKET_RETURN_IGNORE_RENEW = 2;
const SSL_TICKET_RETURN_USE = 3;
const SSL_TICKET_RETURN_USE_RENEW = 4;
const TICKET_IS_MADE = 1;
const TLS1_2_VERSION = 0x0303;

/** By what tickets are dated; null while there is none. */
export type TicketClock = () => SteadyClock | null;

/** A ClientHello whose early data OpenSSL itself would accept. Valid during the call. */
export interface EarlyDataFlight {
  /** ClientHello.random, 32 bytes. */
  readonly random: Uint8Array;
  /** Bytes of early data that the ticket allows. */
  readonly ticketBytesMax: number;
  /** Of the policy that the ticket was issued under; see Ssl.markSession. All zero without one. */
  readonly policyMark: Uint8Array;
  /** Of the ticket, in milliseconds; null when it was not judged by the clock of `onEarlyData`. */
  readonly ageMs: number | null;
  /** Whether the server name asked for is the ticket's. */
  readonly isNameOfSession: boolean;
  /** Whether the cipher suite that was negotiated is the ticket's. */
  readonly isCipherOfSession: boolean;
}

/**
 * The last word on early data, asked once OpenSSL itself would accept it. `accepts` must look at what
 * OpenSSL leaves out: in TLS 1.3 it resumes a session under any name and any cipher suite of the
 * same hash.
 */
export function onEarlyData(
  context: SslContext,
  accepts: (connection: Ssl, flight: EarlyDataFlight) => boolean,
  clock: TicketClock,
): void {
  const random = NativeBuffer.allocate(CLIENT_RANDOM_BYTES);
  const randomAddress = addressOf(random);
  const callback = new Callback(
    'early-data',
    { arguments: ['pointer', 'pointer'], return: 'i32' },
    (ssl: bigint) => {
      checked.SSL_get_client_random(ssl, randomAddress, CLIENT_RANDOM_BYTES);
      const session = SSL_get_session(ssl);
      const isAccepted = accepts(sslAt(ssl), {
        random: random.bytes,
        ticketBytesMax: checked.SSL_SESSION_get_max_early_data(session),
        ageMs: judgedAgeMs(session, clock()),
        isNameOfSession: isNameOfSession(ssl),
        isCipherOfSession: isCipherOfSession(ssl, session),
        policyMark: policyMarkOf(session),
      });
      return isAccepted ? 1 : 0;
    },
    0,
  );
  context.own(callback);
  context.own(random);
  checked.SSL_CTX_set_allow_early_data_cb(addressOfContext(context), callback.pointer, 0n);
}

/**
 * Tickets are dated by `clock` when they are made, and have the age that it tells when they come back
 * (session-marks.ts). A session of TLS 1.2 is resumed only under the server name that it was made
 * under (RFC 6066 §3): its certificate was shown for that name. `askedName` is the one of the
 * connection's ClientHello, in lower case.
 */
export function keepTickets(
  context: SslContext,
  askedName: (connection: Ssl) => string,
  clock: TicketClock,
): void {
  const made = new Callback(
    'ticket-made',
    { arguments: ['pointer', 'pointer'], return: 'i32' },
    (ssl: bigint) => {
      dateSession(ssl, clock());
      return TICKET_IS_MADE;
    },
    // Without a date, it opens a connection, and no early data.
    TICKET_IS_MADE,
  );
  const returned = new Callback(
    'ticket-returned',
    { arguments: ['pointer', 'pointer', 'pointer', 'u32', 'i32', 'pointer'], return: 'i32' },
    (ssl: bigint, session: bigint, _name: bigint, _length: number, status: number) => {
      if (status !== SSL_TICKET_SUCCESS && status !== SSL_TICKET_SUCCESS_RENEW) {
        return SSL_TICKET_RETURN_IGNORE_RENEW;
      }
      const isOlder = checked.SSL_SESSION_get_protocol_version(session) === TLS1_2_VERSION;
      if (isOlder && nameIn(session) !== askedName(sslAt(ssl))) {
        return SSL_TICKET_RETURN_IGNORE_RENEW;
      }
      if (!isOlder) putSessionTimeRight(session, clock());
      return status === SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
    },
    SSL_TICKET_RETURN_IGNORE_RENEW,
  );
  context.own(made);
  context.own(returned);
  const { SSL_CTX_set_session_ticket_cb } = checked;
  SSL_CTX_set_session_ticket_cb(addressOfContext(context), made.pointer, returned.pointer, 0n);
}

/** As ClientHello.serverName gives names. */
function nameIn(session: bigint): string {
  const stored = SSL_SESSION_get0_hostname(session);
  return stored === 0n ? '' : stringAt(stored).toLowerCase().replace(/\.$/, '');
}

/** RFC 8446 §4.2.10: early data is sealed by the suite of the ticket's connection. */
function isCipherOfSession(ssl: bigint, session: bigint): boolean {
  const [chosen, stored] = [checked.SSL_get_pending_cipher(ssl), SSL_SESSION_get0_cipher(session)];
  if (chosen === 0n || stored === 0n) return false;
  return SSL_CIPHER_get_id(chosen) === SSL_CIPHER_get_id(stored);
}
