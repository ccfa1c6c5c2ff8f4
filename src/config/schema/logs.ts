// biome-ignore-all lint/suspicious/noTemplateCurlyInString: fields of a format.
import type { Static } from 'typebox';
import { cacheOutcomes } from '../../telemetry/exchange-summary.ts';
import { namedLogFields } from '../../telemetry/named-log-fields.ts';
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
} from './typed-keys.ts';

const namedFields = namedLogFields.map(({ prefix }) => `\`${prefix}NAME\``).join(', ');

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
        title: 'A name; `*.example.org` is every name with one more label.',
        examples: ['*.example.org'],
      }),
      {
        title: 'Host names of requests, without port.',
        default: 'all',
        examples: [['example.org', '*.example.org']],
      },
    ),
    'path-prefix': text({
      title: 'The beginning of the path.',
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
      title: 'The shortest duration of a request.',
      default: 'any time',
      examples: ['500ms'],
    }),
    cache: list(
      oneOf(cacheOutcomes, { title: 'What the cache did with a request.', examples: ['miss'] }),
      { title: 'What the cache did.', default: 'all', examples: [['miss', 'bypass']] },
    ),
  },
  {
    title: 'Which requests are logged: those for which all conditions hold.',
    default: 'all',
    examples: [{ status: ['5xx'] }],
  },
);

export const rotateSchema = section(
  {
    size: size({
      title: 'The size at which the file is rotated.',
      default: 'any size',
      examples: ['100MiB'],
      'x-least': 1024,
    }),
    every: longDuration({
      title: 'The time after which the file is rotated, counted from midnight UTC.',
      default: 'never',
      examples: ['1d'],
    }),
    keep: integer({
      title: 'How many old files are kept: `.1` is the latest.',
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
    title: 'When the file is rotated, and how many old files are kept.',
    description:
      'Without it, let another program move the file and send SIGUSR1. No line is lost ' +
      'either way. Checked once a second.',
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
      title: 'What is logged: requests, all TLS handshakes, or those that failed.',
      default: 'access',
      examples: ['failed-handshakes'],
    }),
    format: either(
      [
        oneOf(['combined', 'json'], { title: 'A built-in format.', examples: ['json'] }),
        text({
          'x-variables': true,
          title: 'A line with fields in it, each as `${name}`.',
          examples: ['${remote} ${status} ${duration_ms}'],
          minLength: 1,
        }),
      ],
      {
        title: 'The format of a line.',
        description:
          'Fields: [access-log.md](access-log.md). Unknown values are `-`. Lines about ' +
          'handshakes are JSON.',
        default: 'combined',
        examples: ['json', '${time} ${remote} "${request}" ${status}'],
      },
    ),
    fields: list(text({ title: 'A field.', examples: ['status'], minLength: 1 }), {
      title: 'Fields of JSON lines about requests, in this order.',
      description: `Also ${namedFields}.`,
      default: 'all',
      examples: [['time', 'host', 'path', 'status']],
      minItems: 1,
    }),
    filter: filterSchema,
    sample: share({
      title: 'The percentage of the lines that is written.',
      description:
        'By a hash of the request: a request in a log of 1% is in a log of 10% as well. By ' +
        'default all failed handshakes are written, up to 100 a second.',
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
  title: 'Access logs and handshake logs.',
  description:
    'Logging never delays traffic: lines that cannot be written fast enough are dropped and ' +
    'counted. `--access-log` and `--handshake-log` add one each.',
  default: [],
  examples: [
    [
      { target: '/var/log/sluice/access.log', rotate: { size: '100MiB' } },
      { target: '/var/log/sluice/errors.log', format: 'json', filter: { status: ['5xx'] } },
    ],
  ],
});

export type LogsEntry = Static<typeof logsSchema>;
