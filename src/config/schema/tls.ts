import type { Static } from 'typebox';
import { flagKey } from './flags.ts';
import { file, integer, longDuration, section, size } from './kinds.ts';

export const tlsSchema = section(
  {
    'early-data-in-flight-max': size({
      title: 'Early data that all unfinished handshakes may send, of all hosts, per worker.',
      description:
        'What is sent early is held before the client has proved that it is there. Beyond this, ' +
        'handshakes go on without early data.',
      default: '64MiB',
      examples: ['16MiB'],
    }),
    'key-log': file({
      title: 'A file for the secrets of all TLS connections, to decrypt recordings of them.',
      description:
        'In the format of NSS, for Wireshark and its like. **Whoever reads it can read all ' +
        'traffic**: for tests only. The file is its owner’s alone, and a warning is printed.',
      default: 'off',
      examples: ['keys.log'],
    }),
    'ticket-key-file': flagKey('ticket-key-file'),
    'ticket-rotation': longDuration({
      title: 'How long a key that sluice has made encrypts session tickets.',
      description:
        'Then there is another, in all workers and in all instances of a cluster. The old one decrypts ' +
        'for as long as a ticket under it is valid. Whoever gets hold of a key can read what was sent ' +
        'early under its tickets. Keys of a file change with the file.',
      default: '12h',
      examples: ['6h'],
    }),
    'ticket-lifetime': longDuration({
      title: 'How long a client may come back with a session ticket.',
      description: 'At most 7 days (RFC 8446 §4.6.1). Tickets of before keep what they were given.',
      default: '1d',
      examples: ['2h'],
    }),
    'tickets-per-handshake': integer({
      title: 'Session tickets that a client gets with each handshake, in TLS 1.3.',
      description: 'A client uses each but once, and browsers open several connections at a time.',
      default: 2,
      examples: [4],
      minimum: 1,
      maximum: 8,
    }),
  },
  {
    title: 'What TLS with clients is like on all hosts.',
    default: {},
    examples: [{ 'early-data-in-flight-max': '16MiB' }],
  },
);

export type TlsEntry = Static<typeof tlsSchema>;
