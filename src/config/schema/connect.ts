import type { Static } from 'typebox';
import { addressRanges, integer, list, section } from './typed-keys.ts';

export const connectSchema = section(
  {
    from: addressRanges({
      title: 'Clients that may open tunnels.',
      description: '`localhost` is this machine. Others get 403.',
      default: 'none: it must be given',
      examples: [['10.0.0.0/8']],
    }),
    ports: list(
      integer({
        title: 'A port.',
        default: 443,
        examples: [443],
        minimum: 1,
        maximum: 65_535,
      }),
      {
        title: 'Ports that tunnels may lead to.',
        default: [443],
        examples: [[443, 8443]],
        minItems: 1,
      },
    ),
    to: addressRanges({
      title: 'Addresses that tunnels may lead to, besides public ones.',
      description:
        'Private, local and other special addresses (RFC 6890) are refused unless they are ' +
        'listed here, also when a name resolves to them.',
      default: [],
      examples: [['10.20.0.0/16']],
    }),
  },
  {
    title: 'Tunnels that clients open with CONNECT (RFC 9110 §9.3.6).',
    description: 'Over HTTP/1.1 and HTTP/2. Without this section CONNECT gets 405.',
    default: 'off',
    examples: [{ from: ['10.0.0.0/8'], ports: [443] }],
    required: ['from'],
  },
);

export type ConnectEntry = Static<typeof connectSchema>;
