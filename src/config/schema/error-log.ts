/** Where what sluice says of itself goes. */
import { type Static, type TSchema, Type } from 'typebox';
import { logLevels, logSubsystems } from '../../telemetry/log-event.ts';
import { flagKey } from './flags.ts';
import { rotateSchema } from './logs.ts';
import { either, oneOf, section } from './typed-keys.ts';

const levels: Record<string, TSchema> = Object.fromEntries(
  logSubsystems.map((name) => [
    name,
    oneOf(logLevels, {
      title: `The least urgent events of ${name} that are reported.`,
      default: 'as `level` says',
      examples: ['debug'],
    }),
  ]),
);

/** Read as `--log-level SUBSYSTEM=LEVEL` is. */
const levelsSchema = Type.Unsafe<Readonly<Record<string, string>>>({
  type: 'object',
  properties: levels,
  additionalProperties: false,
  title: 'Levels of single subsystems.',
  default: 'none',
  examples: [{ tls: 'debug' }],
});

const errorLogSection = section(
  {
    target: flagKey('error-log'),
    format: flagKey('error-log-format'),
    level: flagKey('log-level'),
    levels: levelsSchema,
    rotate: rotateSchema,
  },
  { title: 'With more settings.', examples: [{ level: 'info', levels: { tls: 'debug' } }] },
);

export const errorLogSchema = either([flagKey('error-log'), errorLogSection], {
  title: 'Where sluice reports what happens to itself, and how much of it.',
  description:
    '`sluice log` shows the latest events; `sluice log level` changes levels while sluice runs.',
  default: '-',
  examples: [
    '/var/log/sluice/error.log',
    { format: 'json', level: 'warning', levels: { origins: 'debug' } },
  ],
});

/** When it is a map. */
export type ErrorLogEntry = Static<typeof errorLogSection>;
