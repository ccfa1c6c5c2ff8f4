// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration.
/** How much may be asked of a route, and whether it is open at all. */
import {
  addressRanges,
  duration,
  either,
  file,
  integer,
  longDuration,
  number,
  onOff,
  section,
  size,
  text,
} from './typed-keys.ts';

export const requestBodyMax = size({
  title: 'The largest body of a request; beyond it, 413.',
  description:
    'Judged by Content-Length before the client is told to go on, else as the body comes: what an ' +
    'origin has got of it by then is broken off. WebSockets and tunnels are not counted.',
  default: 'no limit',
  'x-least': 16,
  examples: ['10MiB'],
});

export const rateLimit = section(
  {
    'requests-per-second': number({
      title: 'The rate that one client may have on average.',
      default: 'none: it must be given',
      minimum: 0.0001,
      maximum: 100_000,
      examples: [10],
    }),
    burst: integer({
      title: 'Requests that may come at the same time beyond the first.',
      default: 'one second’s worth',
      minimum: 0,
      maximum: 1_000_000,
      examples: [20],
    }),
    delay: duration({
      title: 'How long a request beyond the burst may wait for its turn before it is refused.',
      description: 'Each waits until the rate allows it. At most 30s.',
      default: '0s',
      examples: ['2s'],
    }),
    key: text({
      title: 'What identifies a client: `address`, `header:NAME`, or a text with variables.',
      description:
        'Such as `${cookie:session}`, `${query:token}` or `${client-address} ${path}`. An IPv6 ' +
        'client is identified by its /64. Requests for which it is empty are counted by address. A ' +
        'client that can choose the value freely is not limited by it.',
      default: 'address',
      examples: ['header:X-Api-Key'],
      'x-variables': true,
    }),
  },
  {
    title: 'How many requests each client may send; beyond it, 429 with Retry-After.',
    description: 'All workers count together. Cache hits count, too.',
    default: 'none',
    examples: [{ 'requests-per-second': 10, burst: 20 }],
    required: ['requests-per-second'],
  },
);

const closed = section(
  {
    enabled: onOff({ title: 'Whether it is closed.', default: 'on', examples: ['off'] }),
    'body-file': file({
      title: 'A file with the body of the answer, as in `respond`.',
      default: 'a short text',
      examples: ['maintenance.html'],
    }),
    'retry-after': longDuration({
      title: 'When clients may come again: Retry-After.',
      default: 'not said',
      examples: ['10m'],
    }),
    except: addressRanges({
      title: 'Addresses that get through all the same.',
      default: 'none',
      examples: [['10.0.0.0/8']],
    }),
  },
  { title: 'How it is closed.', examples: [{ 'retry-after': '10m', except: ['10.0.0.0/8'] }] },
);

export const maintenance = either(
  [onOff({ title: 'Closed for all.', default: 'off', examples: ['on'] }), closed],
  {
    title: 'Answer 503 instead of anything else, cached responses included.',
    default: 'off',
    examples: ['on', { 'retry-after': '10m', except: ['10.0.0.0/8'] }],
  },
);
