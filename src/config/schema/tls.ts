import type { Static } from 'typebox';
import { flagKey } from './flags.ts';
import { file, integer, longDuration, section, size } from './typed-keys.ts';

export const tlsSchema = section(
  {
    'early-data-in-flight-max': size({
      'x-least': 1024,
      title: 'Early data that all unfinished handshakes may send, of all hosts, per worker.',
      description:
        'Early data is kept in memory before the client has proved its address. Beyond this ' +
        'limit, handshakes continue without early data.',
      default: '64MiB',
      examples: ['16MiB'],
    }),
    'key-log': file({
      title: 'A file for the secrets of all TLS connections, to decrypt packet captures.',
      description:
        'In the format of NSS, for Wireshark and similar programs. **A reader of this file ' +
        'can read all traffic**: for tests only. The file is readable by its owner only, and ' +
        'a warning is printed.',
      default: 'off',
      examples: ['keys.log'],
    }),
    'ticket-key-file': flagKey('ticket-key-file'),
    'ticket-rotation': longDuration({
      title: 'How long a key that sluice has generated encrypts session tickets.',
      description:
        'Then a new key is used, in all workers and in all instances of a cluster. The old ' +
        'key still decrypts while a ticket under it is valid. An attacker who gets a key can ' +
        'read early data that was sent under its tickets. Keys from a file change with the ' +
        'file.',
      default: '12h',
      examples: ['6h'],
    }),
    'ticket-lifetime': longDuration({
      title: 'How long a client may resume with a session ticket.',
      description:
        'At most 7 days (RFC 8446 §4.6.1). Tickets that were issued earlier keep their lifetime.',
      default: '1d',
      examples: ['2h'],
    }),
    'tickets-per-handshake': integer({
      title: 'Session tickets that a client gets with each handshake, in TLS 1.3.',
      description:
        'A client uses each ticket once, and browsers open several connections at a time.',
      default: 2,
      examples: [4],
      minimum: 1,
      maximum: 8,
    }),
  },
  {
    title: 'TLS settings for all hosts.',
    default: {},
    examples: [{ 'early-data-in-flight-max': '16MiB' }],
  },
);

export type TlsEntry = Static<typeof tlsSchema>;
