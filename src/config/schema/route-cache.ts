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
} from './typed-keys.ts';

const names = (title: string, examples: readonly string[], fallback: string) =>
  list(text({ title: 'A name.', minLength: 1, examples: [examples[0]] }), {
    title,
    default: fallback,
    examples: [examples],
  });

const lifetime = section(
  {
    default: longDuration({
      title: 'The lifetime of responses for which the origin gives none.',
      default: 'a tenth of the time since Last-Modified, a day at most; none without it',
      examples: ['5m'],
    }),
    min: longDuration({
      title: 'Raise shorter lifetimes to this value.',
      default: 'as stated',
      examples: ['10s'],
    }),
    max: longDuration({
      title: 'Reduce longer lifetimes to this value.',
      default: 'as stated',
      examples: ['1d'],
    }),
    override: longDuration({
      title: 'The lifetime of all responses but errors, whatever the origin says.',
      description: 'Responses that may not be stored (no-store, private) are still not stored.',
      default: 'as the origin says',
      examples: ['1h'],
    }),
    negative: either(
      [
        longDuration({ title: 'For 404, 410 and 5xx.', examples: ['10s'] }),
        mapOf(longDuration({ title: 'For this status.', examples: ['10s'] }), {
          title: 'By status.',
          examples: [{ '404': '10s' }],
        }),
      ],
      {
        title:
          'The lifetime of error responses for which the origin gives none: for all of them, ' +
          'or by status.',
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
            only: names('Parameters that belong to the key.', ['page', 'size'], 'all'),
            without: names('Parameters that do not belong to the key.', ['utm_*'], 'none'),
          },
          { title: 'Some of it: `only` or `without`.', examples: [{ without: ['utm_*'] }] },
        ),
      ],
      {
        title:
          'Which part of the query belongs to the key; `utm_*` is every name that begins with it.',
        description:
          'If the origin’s response depends on something that the key leaves out, one user ' +
          'can be served another user’s response.',
        default: 'keep',
        examples: ['ignore', { without: ['utm_*', 'fbclid'] }],
      },
    ),
    'sort-query': onOff({
      title: 'Ignore the order of parameters.',
      default: 'off',
      examples: ['on'],
    }),
    'normalise-percent-encoding': onOff({
      title: 'Treat %7e, %7E and ~ as the same (RFC 3986 §6.2.2).',
      default: 'off',
      examples: ['on'],
    }),
    headers: names('Request headers whose values are part of the key.', ['X-Country'], 'none'),
    cookies: names('Cookies whose values are part of the key.', ['currency'], 'none'),
  },
  {
    title: 'What belongs to the key of a response, beside Vary.',
    default: 'the target as sent',
    examples: [{ query: { without: ['utm_*'] } }],
  },
);

export const routeCacheSchema = section(
  {
    enabled: onOff({
      title: 'Look up and store responses.',
      description: 'With `off` every request goes to the origin, and no request waits for another.',
      default: 'on',
      examples: ['off'],
    }),
    lifetime,
    key,
    slices: size({
      title: 'Fetch and store large bodies in slices of so many bytes; 0 for no slices.',
      description:
        `A range then costs its slices and not the whole. From ${SLICE_BYTES_MIN / 1024}KiB to ` +
        `${SLICE_BYTES_MAX / 2 ** 20}MiB.`,
      default: 0,
      examples: ['1MiB'],
    }),
    pin: longDuration({
      title: 'How long a stored response is kept from eviction.',
      description:
        'Pinned responses take only a part of the store. Purges and updates still apply to them.',
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
      title: 'How long a stale response is served in place of an error of the origin.',
      description: 'Used when neither the origin nor the client states it (RFC 5861 §4).',
      default: 'not at all',
      examples: ['1h'],
    }),
    'stale-while-revalidate': longDuration({
      title: 'How long a stale response is served while it is revalidated in the background.',
      description: 'Used when the origin does not state it (RFC 5861 §3).',
      default: 'not at all',
      examples: ['30s'],
    }),
    'request-directives': onOff({
      title: 'Obey Cache-Control of requests (RFC 9111 §5.2.1).',
      default: 'on',
      examples: ['off'],
    }),
    'targeted-headers': names(
      'Headers with directives for this cache alone, the most specific first (RFC 9213).',
      ['CDN-Cache-Control'],
      'CDN-Cache-Control',
    ),
    heuristic: share({
      title: 'Percentage of the time since Last-Modified that is used as the lifetime.',
      default: '10%',
      examples: ['20%'],
    }),
    partial: onOff({
      title: 'Store partial responses (206) and answer range requests from them.',
      default: 'on',
      examples: ['off'],
    }),
    'select-by-language': onOff({
      title:
        'Select by Content-Language in place of Accept-Language in Vary, where the result is ' +
        'the same.',
      default: 'on',
      examples: ['off'],
    }),
  },
  {
    title: 'Which responses of the route are stored, for how long, and under which key.',
    default: 'as RFC 9111 says',
    examples: [{ lifetime: { default: '5m' } }],
  },
);

export type RouteCacheEntry = Static<typeof routeCacheSchema>;
