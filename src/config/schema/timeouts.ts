import type { Static } from 'typebox';
import { either, integer, longDuration, oneOf, section } from './kinds.ts';

const pace = section(
  {
    'min-rate': integer({
      title: 'Bytes per second, on average; 0 for no least rate.',
      description: 'Counted from the end of `grace` on.',
      default: 500,
      examples: [2000],
      minimum: 0,
      maximum: 1_000_000_000,
    }),
    grace: longDuration({
      title: 'Time before the least rate counts.',
      default: '20s',
      examples: ['1m'],
    }),
    total: longDuration({
      title: 'For all of the body.',
      default: '1d',
      examples: ['1h'],
    }),
  },
  { title: 'What is asked.', examples: [{ 'min-rate': 2000, total: '1h' }] },
);

const off = oneOf(['off'], { title: 'Only silence is bounded, by a minute.', examples: ['off'] });

export const timeoutsSchema = section(
  {
    'request-body': either([pace, off], {
      title: 'How fast the body of a request must come.',
      description:
        'Slower ones get 408, over HTTP/2 their stream is reset. Time counts while sluice waits for ' +
        'the client and no response has begun. As Apache’s `RequestReadTimeout body=20,MinRate=500`.',
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
