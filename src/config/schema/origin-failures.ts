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
} from './kinds.ts';

const status = { minimum: 100, maximum: 599 };

const healthCheck = section(
  {
    interval: longDuration({ title: 'Time between questions.', default: '5s', examples: ['10s'] }),
    timeout: duration({
      title: 'Time in which an answer must be there.',
      default: '2s',
      examples: ['1s'],
    }),
    path: text({
      title: 'What is asked for, with GET; without it, a connection is all.',
      default: 'none',
      pattern: '^/\\S*$',
      examples: ['/healthz'],
    }),
    host: text({
      title: 'The Host field.',
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
        title: 'Statuses that are well.',
        default: ['200-399'],
        examples: [['200-299', 404]],
        minItems: 1,
      },
    ),
    rise: integer({
      title: 'Good answers in a row that bring a server up.',
      default: 2,
      minimum: 1,
      maximum: 100,
      examples: [3],
    }),
    fall: integer({
      title: 'Bad answers in a row that take a server down.',
      default: 3,
      minimum: 1,
      maximum: 100,
      examples: [2],
    }),
  },
  {
    title: 'Questions that sluice asks by itself, once for all workers.',
    default: 'none are asked',
    examples: [{ path: '/healthz', interval: '5s' }],
  },
);

const passiveHealth = section(
  {
    failures: integer({
      title: 'Failures in a row that eject a server; 0 for never.',
      default: 5,
      minimum: 0,
      maximum: 1000,
      examples: [3],
    }),
    'on-5xx': onOff({
      title: 'Responses of 500 and above are failures, too.',
      default: 'off',
      examples: ['on'],
    }),
    'min-rate': size({
      title:
        'A response whose content comes at fewer bytes per second is a failure, when it lasts for a second or longer. Time for which its client does not take it is not counted. 0 for none.',
      default: '0',
      examples: ['20KiB'],
    }),
    ejection: longDuration({
      title: 'Time of the first ejection; each further one takes that much longer.',
      default: '10s',
      examples: ['30s'],
    }),
    'ejection-max': longDuration({
      title: 'Longest time of an ejection.',
      default: '5m',
      examples: ['10m'],
    }),
    'ejected-share-max': share({
      title: 'No more of the servers are ejected at once.',
      default: '50%',
      examples: ['30%'],
    }),
  },
  {
    title: 'What requests tell of a server.',
    default: 'five failures in a row eject it for 10 s',
    examples: [{ failures: 3 }],
  },
);

const circuitBreaker = section(
  {
    'failure-share': share({
      title: 'Failed share of the requests of a window that opens the circuit; 0% for never.',
      default: '0%',
      examples: ['50%'],
    }),
    'requests-min': integer({
      title: 'Requests that a window must have seen to say anything.',
      default: 20,
      minimum: 1,
      maximum: 1_000_000,
      examples: [50],
    }),
    window: longDuration({ title: 'Length of a window.', default: '10s', examples: ['30s'] }),
    open: longDuration({
      title: 'Time for which nothing is asked; then a few requests try.',
      default: '5s',
      examples: ['10s'],
    }),
    trials: integer({
      title: 'Requests that try; all must succeed.',
      default: 3,
      minimum: 1,
      maximum: 1000,
      examples: [5],
    }),
  },
  {
    title: 'When a group fails too often, it is asked nothing for a while, and clients get 503.',
    default: 'off',
    examples: [{ 'failure-share': '50%' }],
  },
);

const retries = section(
  {
    attempts: integer({
      title: 'Attempts in all; 1 for no retry.',
      description: 'Only requests that may be sent twice (RFC 9110 §9.2.2) are.',
      default: 3,
      minimum: 1,
      maximum: 10,
      examples: [2],
    }),
    statuses: list(integer({ title: 'A status.', ...status, examples: [503] }), {
      title: 'Statuses after which another server is asked.',
      default: [],
      examples: [[502, 503]],
    }),
    budget: share({
      title: 'Retries under way, as a share of the requests under way.',
      description: 'So that a struggling origin is not asked several times as much.',
      default: '20%',
      examples: ['10%'],
    }),
    'budget-min': integer({
      title: 'So many retries are always allowed at once.',
      default: 10,
      minimum: 0,
      maximum: 100_000,
      examples: [3],
    }),
  },
  {
    title: 'What is asked again after a failure.',
    default: 'up to three attempts, for a fifth of the requests',
    examples: [{ attempts: 2 }],
  },
);

/** `off` is written where a map would only say so. */
const off = oneOf(['off'], { title: 'Not at all.', examples: ['off'] });

export const failureSections = {
  'health-check': either([healthCheck, off], {
    title: 'Questions that sluice asks by itself, once for all workers.',
    default: 'off',
    examples: [{ path: '/healthz', interval: '5s' }],
  }),
  'passive-health': passiveHealth,
  'circuit-breaker': circuitBreaker,
  retries,
};
