import type { Static } from 'typebox';
import { either, integer, longDuration, oneOf, section } from './typed-keys.ts';

const pace = section(
  {
    'min-rate': integer({
      title: 'Smallest average rate in bytes per second; 0 for none.',
      description: 'Measured from the end of `grace` on.',
      default: 500,
      examples: [2000],
      minimum: 0,
      maximum: 1_000_000_000,
    }),
    grace: longDuration({
      title: 'Time before the rate is measured.',
      default: '20s',
      examples: ['1m'],
    }),
    total: longDuration({
      title: 'Longest time for the whole body.',
      default: '1d',
      examples: ['1h'],
    }),
  },
  { title: 'The rate and the times.', examples: [{ 'min-rate': 2000, total: '1h' }] },
);

const off = oneOf(['off'], {
  title: 'No limits but one: a minute without a byte.',
  examples: ['off'],
});

export const timeoutsSchema = section(
  {
    'request-body': either([pace, off], {
      title: 'How fast clients must send the body of a request.',
      description:
        'Slower clients get 408; over HTTP/2 their stream is reset. Time counts while sluice ' +
        'waits for the client and no response has begun. It works like Apache’s ' +
        '`RequestReadTimeout body=20,MinRate=500`.',
      default: { 'min-rate': 500, grace: '20s', total: '1d' },
      examples: [{ 'min-rate': 2000, total: '1h' }, 'off'],
    }),
  },
  {
    title: 'How long clients may take.',
    description: 'For origins see `origins.*.timeouts`.',
    default: 'as below',
    examples: [{ 'request-body': { 'min-rate': 2000 } }],
  },
);

export type TimeoutsEntry = Static<typeof timeoutsSchema>;
