// biome-ignore-all lint/suspicious/noTemplateCurlyInString: fields of a format.
import type { Static } from 'typebox';
import { accessLogFields } from '../../telemetry/access-log-line.ts';
import { cacheOutcomes } from '../../telemetry/exchange-summary.ts';
import {
  duration,
  either,
  integer,
  list,
  logTarget,
  longDuration,
  oneOf,
  onOff,
  section,
  share,
  size,
  text,
} from './kinds.ts';

const fieldNames = accessLogFields.map(({ name }) => name);

const filterSchema = section(
  {
    status: list(
      text({
        title: 'A status, a class of them, or a range.',
        pattern: '^[1-5](\\d\\d(-[1-5]\\d\\d)?|xx)$',
        examples: ['5xx', '404', '400-403'],
      }),
      { title: 'Statuses that were sent.', default: 'all', examples: [['4xx', '5xx']] },
    ),
    host: list(
      text({
        title: 'A name; `*.` and one for every name with one more label.',
        examples: ['*.example.org'],
      }),
      {
        title: 'Hosts that were asked for, without port.',
        default: 'all',
        examples: [['example.org', '*.example.org']],
      },
    ),
    'path-prefix': text({
      title: 'How the path begins.',
      default: 'any path',
      examples: ['/api/'],
      pattern: '^/',
    }),
    method: list(text({ title: 'A method.', examples: ['POST'], minLength: 1 }), {
      title: 'Methods of requests.',
      default: 'all',
      examples: [['POST', 'PUT']],
    }),
    'slower-than': duration({
      title: 'How long a request took at least.',
      default: 'any time',
      examples: ['500ms'],
    }),
    cache: list(
      oneOf(cacheOutcomes, { title: 'What the cache did with a request.', examples: ['miss'] }),
      { title: 'What the cache did.', default: 'all', examples: [['miss', 'bypass']] },
    ),
  },
  {
    title: 'Which requests have a line: those for which all of these hold.',
    default: 'all',
    examples: [{ status: ['5xx'] }],
  },
);

export const rotateSchema = section(
  {
    size: size({ title: 'How large it may become.', default: 'any size', examples: ['100MiB'] }),
    every: longDuration({
      title: 'After what time there is a new file, counted from midnight UTC.',
      default: 'never',
      examples: ['1d'],
    }),
    keep: integer({
      title: 'How many old files there are: `.1` is the latest.',
      default: 7,
      examples: [30],
      minimum: 1,
      maximum: 1000,
    }),
    gzip: onOff({
      title: 'Compress old files, all but the latest.',
      default: 'off',
      examples: ['on'],
    }),
  },
  {
    title: 'When its file is moved away, and how many old ones are kept.',
    description:
      'Without it another program does it, and sends SIGUSR1 then. No line is lost either way. Looked ' +
      'at once a second.',
    default: 'never',
    examples: [{ size: '100MiB', every: '1d', keep: 7 }],
  },
);

const logSchema = section(
  {
    target: logTarget({
      title: 'A file, or `-` for standard output.',
      default: 'none: it must be given',
      examples: ['/var/log/sluice/access.log'],
    }),
    type: oneOf(['access', 'handshakes', 'failed-handshakes'], {
      title: 'What has a line: a request that has ended, or a TLS handshake.',
      default: 'access',
      examples: ['failed-handshakes'],
    }),
    format: either(
      [
        oneOf(['combined', 'json'], { title: 'A form that is known.', examples: ['json'] }),
        text({
          title: 'A line with fields in it, each as `${name}`.',
          examples: ['${remote} ${status} ${duration_ms}'],
          minLength: 1,
        }),
      ],
      {
        title: 'The form of a line.',
        description:
          'Fields: [access-log.md](access-log.md). What is not known is `-`. Lines about handshakes ' +
          'are JSON.',
        default: 'combined',
        examples: ['json', '${time} ${remote} "${request}" ${status}'],
      },
    ),
    fields: list(oneOf(fieldNames, { title: 'A field.', examples: ['status'] }), {
      title: 'What JSON lines about requests have, in this order.',
      default: 'all',
      examples: [['time', 'host', 'path', 'status']],
      minItems: 1,
    }),
    filter: filterSchema,
    sample: share({
      title: 'What share of the lines is written.',
      description:
        'By a hash of the request: what is in a log of 1% is in one of 10% as well. Of failed ' +
        'handshakes all are written by default, up to 100 a second.',
      default: '100%',
      examples: ['1%'],
    }),
    rotate: rotateSchema,
  },
  {
    title: 'One log.',
    examples: [{ target: '/var/log/sluice/access.log', format: 'json' }],
    required: ['target'],
  },
);

export const logsSchema = list(logSchema, {
  title: 'Where lines about requests and handshakes go.',
  description:
    'Lines are gathered and written off the path of traffic; those that cannot be written fast enough ' +
    'are dropped and counted. `--access-log` and `--handshake-log` add one each.',
  default: [],
  examples: [
    [
      { target: '/var/log/sluice/access.log', rotate: { size: '100MiB' } },
      { target: '/var/log/sluice/errors.log', format: 'json', filter: { status: ['5xx'] } },
    ],
  ],
});

export type LogsEntry = Static<typeof logsSchema>;
