/**
 * Kinds of values that are written as one word, and how each is read. A schema names a kind as
 * `x-kind`; flags and keys of the same kind are read by the same function.
 */
import { parseAccount } from '../account.ts';
import {
  type GivenValue,
  type OptionWords,
  parseAddressRanges,
  parseClientField,
  parseCount,
  parseDuration,
  parseEndpoint,
  parseErrorLogFormat,
  parseFeature,
  parseLogFormat,
  parseLogLevel,
  parseLogScope,
  parseLogTarget,
  parseLongDuration,
  parseOrigin,
  parsePath,
  parsePathOrOff,
  parseRedisOrOff,
  parseShare,
  parseSize,
  parseSwitch,
  parseUrlOrOff,
} from '../option-values.ts';

interface Kind {
  /** What stands for the value in messages and documentation. */
  readonly placeholder: string;
  /** Throws UsageError. */
  readonly parse: (words: OptionWords, given: GivenValue) => unknown;
}

function orOff(parse: Kind['parse']): Kind['parse'] {
  return (words, given) => (given.text === 'off' ? null : parse(words, given));
}

export const kinds = {
  account: { placeholder: 'NAME[:GROUP]', parse: parseAccount },
  addresses: { placeholder: 'ADDRESS[/BITS]', parse: parseAddressRanges },
  'addresses-or-off': { placeholder: 'ADDRESS[/BITS]|off', parse: orOff(parseAddressRanges) },
  'client-field': { placeholder: 'x-forwarded-for|forwarded', parse: parseClientField },
  count: { placeholder: 'N', parse: parseCount },
  duration: { placeholder: 'TIME', parse: parseDuration },
  endpoint: { placeholder: '[HOST:]PORT', parse: parseEndpoint },
  'endpoint-or-off': { placeholder: '[HOST:]PORT|off', parse: orOff(parseEndpoint) },
  'error-log-format': { placeholder: 'text|json', parse: parseErrorLogFormat },
  feature: { placeholder: 'NAME=on|off', parse: parseFeature },
  'log-format': { placeholder: 'combined|json', parse: parseLogFormat },
  'log-level': { placeholder: '[SUBSYSTEM=]LEVEL', parse: parseLogLevel },
  'log-scope': { placeholder: 'failed|all', parse: parseLogScope },
  'log-target': { placeholder: 'off|-|FILE', parse: parseLogTarget },
  'long-duration': { placeholder: 'TIME', parse: parseLongDuration },
  path: { placeholder: 'FILE', parse: parsePath },
  'path-or-off': { placeholder: 'off|FILE', parse: parsePathOrOff },
  'redis-or-off': { placeholder: 'off|URL', parse: parseRedisOrOff },
  share: { placeholder: 'N%', parse: parseShare },
  size: { placeholder: 'BYTES', parse: parseSize },
  switch: { placeholder: 'on|off', parse: parseSwitch },
  url: { placeholder: 'URL', parse: parseOrigin },
  'url-or-off': { placeholder: 'off|URL', parse: parseUrlOrOff },
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof kinds;
