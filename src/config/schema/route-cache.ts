import type { Static } from 'typebox';
import { SLICE_BYTES_MAX, SLICE_BYTES_MIN } from '../../cache/rules/rules.ts';
import {
  either,
  list,
  longDuration,
  mapOf,
  oneOf,
  onOff,
  section,
  share,
  size,
  text,
} from './kinds.ts';

const names = (title: string, examples: readonly string[], fallback: string) =>
  list(text({ title: 'A name.', minLength: 1, examples: [examples[0]] }), {
    title,
    default: fallback,
    examples: [examples],
  });

const lifetime = section(
  {
    default: longDuration({
      title: 'Of responses to which the origin gives none.',
      default: 'a tenth of the time since Last-Modified, a day at most; none without it',
      examples: ['5m'],
    }),
    min: longDuration({
      title: 'Shorter ones that the origin states become this.',
      default: 'as stated',
      examples: ['10s'],
    }),
    max: longDuration({
      title: 'Longer ones that the origin states become this.',
      default: 'as stated',
      examples: ['1d'],
    }),
    override: longDuration({
      title: 'In place of whatever the origin says, but for errors.',
      description: 'What may not be stored at all (no-store, private) still is not.',
      default: 'as the origin says',
      examples: ['1h'],
    }),
    negative: either(
      [
        longDuration({ title: 'Of 404, 410 and 5xx without one of their own.', examples: ['10s'] }),
        mapOf(longDuration({ title: 'Of this status.', examples: ['10s'] }), {
          title: 'By status.',
          examples: [{ '404': '10s' }],
        }),
      ],
      {
        title: 'Of errors without one of their own, or by status.',
        default: 'not stored',
        examples: ['10s', { '404': '1m', '503': '1s' }],
      },
    ),
  },
  {
    title: 'How long responses are fresh.',
    default: 'as the origin says',
    examples: [{ default: '5m', negative: '10s' }],
  },
);

const key = section(
  {
    query: either(
      [
        oneOf(['keep', 'ignore'], { title: 'All of it or none.', examples: ['ignore'] }),
        section(
          {
            only: names('Parameters that count.', ['page', 'size'], 'all'),
            without: names('Parameters that do not count.', ['utm_*'], 'none'),
          },
          { title: 'Some of it: `only` or `without`.', examples: [{ without: ['utm_*'] }] },
        ),
      ],
      {
        title: 'What of the query tells responses apart; `utm_*` is every name that begins so.',
        description: 'What the origin tells apart and the key does not, one user gets of another.',
        default: 'keep',
        examples: ['ignore', { without: ['utm_*', 'fbclid'] }],
      },
    ),
    'sort-query': onOff({
      title: 'Parameters in another order are the same.',
      default: 'off',
      examples: ['on'],
    }),
    'normalise-percent-encoding': onOff({
      title: '%7e, %7E and ~ are the same (RFC 3986 §6.2.2).',
      default: 'off',
      examples: ['on'],
    }),
    headers: names('Request headers whose values are part of the key.', ['X-Country'], 'none'),
    cookies: names('Cookies whose values are part of the key.', ['currency'], 'none'),
  },
  {
    title: 'What tells responses apart, beside Vary.',
    default: 'the target as sent',
    examples: [{ query: { without: ['utm_*'] } }],
  },
);

export const routeCacheSchema = section(
  {
    enabled: onOff({
      title: 'Look up and store responses.',
      description: 'Off: every request goes to the origin, and none waits for another.',
      default: 'on',
      examples: ['off'],
    }),
    lifetime,
    key,
    slices: size({
      title: 'Fetch and store large content in slices of so many bytes; 0 for not at all.',
      description:
        `A range then costs its slices and not the whole. From ${SLICE_BYTES_MIN / 1024}KiB to ` +
        `${SLICE_BYTES_MAX / 2 ** 20}MiB.`,
      default: 0,
      examples: ['1MiB'],
    }),
    pin: longDuration({
      title: 'How long a stored response is kept from eviction.',
      description: 'Within a share of the store. Purges and updates are not kept off.',
      default: 'not at all',
      examples: ['1h'],
    }),
    'set-cookie': oneOf(['never', 'public', 'explicit', 'always'], {
      title: 'Whether responses that set a cookie are stored.',
      description:
        'A cookie that identifies one user must not reach another. `explicit`: when Cache-Control ' +
        'states a lifetime. `public`: when it says public or s-maxage.',
      default: 'explicit',
      examples: ['never'],
    }),
    'stale-if-error': longDuration({
      title: 'How long after its lifetime a response stands in for an error of the origin.',
      description: 'Where neither the origin nor the client says so (RFC 5861 §4).',
      default: 'not at all',
      examples: ['1h'],
    }),
    'stale-while-revalidate': longDuration({
      title: 'How long after its lifetime a response is served while the origin is asked.',
      description: 'Where the origin does not say so (RFC 5861 §3).',
      default: 'not at all',
      examples: ['30s'],
    }),
    'request-directives': onOff({
      title: 'Obey Cache-Control of requests (RFC 9111 §5.2.1).',
      default: 'on',
      examples: ['off'],
    }),
    'targeted-headers': names(
      'Fields that speak to this cache alone, the most specific first (RFC 9213).',
      ['CDN-Cache-Control'],
      'CDN-Cache-Control',
    ),
    heuristic: share({
      title: 'Share of the time since Last-Modified that is taken for a lifetime.',
      default: '10%',
      examples: ['20%'],
    }),
    partial: onOff({
      title: 'Store parts (206) and answer ranges from them.',
      default: 'on',
      examples: ['off'],
    }),
    'select-by-language': onOff({
      title: 'Let Content-Language stand for Accept-Language in Vary, where that is sure.',
      default: 'on',
      examples: ['off'],
    }),
  },
  {
    title: 'What is stored of the route’s responses, for how long, and under which key.',
    default: 'as RFC 9111 says',
    examples: [{ lifetime: { default: '5m' } }],
  },
);

export type RouteCacheEntry = Static<typeof routeCacheSchema>;
