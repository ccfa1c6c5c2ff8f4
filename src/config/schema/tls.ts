import type { Static } from 'typebox';
import { file, section, size } from './kinds.ts';

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
  },
  {
    title: 'What TLS with clients is like on all hosts.',
    default: {},
    examples: [{ 'early-data-in-flight-max': '16MiB' }],
  },
);

export type TlsEntry = Static<typeof tlsSchema>;
