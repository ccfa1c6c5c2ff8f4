/** What is done about servers that fail: keys of a group of origins. */
import {
  duration,
  either,
  integer,
  list,
  longDuration,
  oneOf,
  onOff,
  section,
  share,
  size,
  text,
} from './typed-keys.ts';

const status = { minimum: 100, maximum: 599 };

const healthCheck = section(
  {
    interval: longDuration({ title: 'Time between two checks.', default: '5s', examples: ['10s'] }),
    timeout: duration({
      title: 'Time within which the server must answer.',
      default: '2s',
      examples: ['1s'],
    }),
    path: text({
      title: 'The path of the check, with GET; without it, sluice only connects.',
      default: 'none',
      pattern: '^/\\S*$',
      examples: ['/healthz'],
    }),
    host: text({
      title: 'The Host header.',
      default: "the server's own",
      examples: ['example.org'],
    }),
    statuses: list(
      either(
        [
          integer({ title: 'A status.', ...status, examples: [200] }),
          text({
            title: 'A range of them, with both ends.',
            pattern: '^[1-5]\\d\\d-[1-5]\\d\\d$',
            examples: ['200-299'],
          }),
        ],
        { title: 'A status or a range.', examples: ['200-299'] },
      ),
      {
        title: 'Statuses that mean healthy.',
        default: ['200-399'],
        examples: [['200-299', 404]],
        minItems: 1,
      },
    ),
    rise: integer({
      title: 'Passed checks in a row that mark a server up.',
      default: 2,
      minimum: 1,
      maximum: 100,
      examples: [3],
    }),
    fall: integer({
      title: 'Failed checks in a row that mark a server down.',
      default: 3,
      minimum: 1,
      maximum: 100,
      examples: [2],
    }),
  },
  {
    title: 'Active health checks, one for all workers.',
    default: 'no checks',
    examples: [{ path: '/healthz', interval: '5s' }],
  },
);

const passiveHealth = section(
  {
    failures: integer({
      title:
        'Failures in a row that take a server out of rotation (outlier detection); 0 for never.',
      default: 5,
      minimum: 0,
      maximum: 1000,
      examples: [3],
    }),
    'on-5xx': onOff({
      title: 'Count responses with a status of 500 and above as failures.',
      default: 'off',
      examples: ['on'],
    }),
    'min-rate': size({
      title: 'Bytes per second below which the body of a response counts as a failure; 0 for none.',
      description:
        'Only responses that last for a second or longer count. Time in which the client does not ' +
        'read is not counted.',
      default: '0',
      examples: ['20KiB'],
    }),
    ejection: longDuration({
      title:
        'Time out of rotation after the first ejection; each further one is longer by this time.',
      default: '10s',
      examples: ['30s'],
    }),
    'ejection-max': longDuration({
      title: 'Longest time out of rotation.',
      default: '5m',
      examples: ['10m'],
    }),
    'ejected-share-max': share({
      title: 'Largest percentage of the servers that may be out of rotation at the same time.',
      default: '50%',
      examples: ['30%'],
    }),
  },
  {
    title: 'Outlier detection: servers that fail requests are taken out of rotation.',
    default: 'five failures in a row take a server out of rotation for 10 s',
    examples: [{ failures: 3 }],
  },
);

const circuitBreaker = section(
  {
    'failure-share': share({
      title: 'Percentage of failed requests in a window that opens the circuit; 0% for never.',
      default: '0%',
      examples: ['50%'],
    }),
    'requests-min': integer({
      title: 'Requests that a window must have before it can open the circuit.',
      default: 20,
      minimum: 1,
      maximum: 1_000_000,
      examples: [50],
    }),
    window: longDuration({ title: 'Length of a window.', default: '10s', examples: ['30s'] }),
    open: longDuration({
      title: 'Time for which the group gets no requests; then a few are let through.',
      default: '5s',
      examples: ['10s'],
    }),
    trials: integer({
      title: 'Requests that are let through; all must succeed to close the circuit.',
      default: 3,
      minimum: 1,
      maximum: 1000,
      examples: [5],
    }),
  },
  {
    title: 'When a group fails too often, it gets no requests for a while, and clients get 503.',
    default: 'off',
    examples: [{ 'failure-share': '50%' }],
  },
);

const retries = section(
  {
    max: integer({
      title: 'Retries of one request at most; 0 for none.',
      description: 'Only idempotent requests are retried (RFC 9110 §9.2.2).',
      default: 2,
      minimum: 0,
      maximum: 9,
      examples: [1],
    }),
    statuses: list(integer({ title: 'A status.', ...status, examples: [503] }), {
      title: 'Statuses after which a request is retried on another server.',
      default: [],
      examples: [[502, 503]],
    }),
    budget: share({
      title: 'Retries under way, as a percentage of the requests under way.',
      description: 'It protects a struggling origin from a multiple of its load.',
      default: '20%',
      examples: ['10%'],
    }),
    'budget-min': integer({
      title: 'Number of retries under way that is always allowed.',
      default: 10,
      minimum: 0,
      maximum: 100_000,
      examples: [3],
    }),
  },
  {
    title: 'Which requests are retried after a failure.',
    default: 'up to two retries, for a fifth of the requests',
    examples: [{ max: 1 }],
  },
);

/** `off` is written where a map would only say so. */
const off = oneOf(['off'], { title: 'Not at all.', examples: ['off'] });

export const failureSections = {
  'health-check': either([healthCheck, off], {
    title: 'Active health checks, one for all workers.',
    default: 'off',
    examples: [{ path: '/healthz', interval: '5s' }],
  }),
  'passive-health': passiveHealth,
  'circuit-breaker': circuitBreaker,
  retries,
};
