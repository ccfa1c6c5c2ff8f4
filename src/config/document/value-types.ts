/**
 * Kinds of values that are written as one word: all there is to know of each, in one row. A flag
 * (option-table.ts) and a key (`x-kind` of a schema) name a kind, and are read, shown and typed by its
 * row. What may be `off` is null then, whatever else it may be.
 */
import { parseAccount } from '../account.ts';
import {
  type ExplicitValue,
  type OptionWords,
  parseAddressRanges,
  parseClientField,
  parseCount,
  parseDuration,
  parseEmail,
  parseErrorLogFormat,
  parseFeature,
  parseHostName,
  parseLogFile,
  parseLogFormat,
  parseLogLevel,
  parseLogScope,
  parseLongDuration,
  parseOrigin,
  parsePath,
  parseRedis,
  parseShare,
  parseSize,
  parseSocketAddress,
  parseSwitch,
  parseUrl,
} from '../option-values.ts';

/** Throws UsageError. */
type Parse<T> = (words: OptionWords, given: ExplicitValue) => T;

interface ValueType {
  /** What stands for the value in help, messages and documentation. */
  readonly placeholder: string;
  /** Its result is the static type of the value. */
  readonly parse: Parse<unknown>;
  /** How editors see it, as JSON Schema. A hint: `parse` decides. */
  readonly form: object;
  /** Its text holds a password: a Redis's, or the secret path of a webhook. */
  readonly isSecret?: true;
}

function orOff<T>(parse: Parse<T>): Parse<T | null> {
  return (words, given) => (given.text === 'off' ? null : parse(words, given));
}

const TEXT = { type: 'string' };
const TEXT_OR_OFF = { type: ['string', 'boolean'] };
const TEXT_OR_NUMBER = { type: ['string', 'integer'] };

export const valueTypes = {
  account: { placeholder: 'NAME[:GROUP]', parse: parseAccount, form: TEXT_OR_NUMBER },
  addresses: { placeholder: 'ADDRESS[/BITS]', parse: parseAddressRanges, form: TEXT },
  'addresses-or-off': {
    placeholder: 'ADDRESS[/BITS]|off',
    parse: orOff(parseAddressRanges),
    form: TEXT,
  },
  'client-field': {
    placeholder: 'x-forwarded-for|forwarded',
    parse: parseClientField,
    form: { enum: ['x-forwarded-for', 'forwarded'] },
  },
  count: { placeholder: 'N', parse: parseCount, form: { type: 'integer', minimum: 1 } },
  duration: {
    placeholder: 'TIME',
    parse: parseDuration,
    form: { type: 'string', pattern: '^\\d+(\\.\\d+)? ?(ms|s|m)$' },
  },
  'email-or-off': { placeholder: 'EMAIL|off', parse: orOff(parseEmail), form: TEXT_OR_OFF },
  'socket-address': { placeholder: '[HOST:]PORT', parse: parseSocketAddress, form: TEXT_OR_NUMBER },
  'socket-address-or-off': {
    placeholder: '[HOST:]PORT|off',
    parse: orOff(parseSocketAddress),
    form: { type: ['string', 'integer', 'boolean'] },
  },
  'error-log-format': {
    placeholder: 'text|json',
    parse: parseErrorLogFormat,
    form: { enum: ['text', 'json'] },
  },
  feature: {
    placeholder: 'NAME=on|off',
    parse: parseFeature,
    form: { type: 'string', pattern: '=(on|off)$' },
  },
  'host-name': { placeholder: 'NAME', parse: parseHostName, form: TEXT },
  'log-format': {
    placeholder: 'combined|json',
    parse: parseLogFormat,
    form: { enum: ['combined', 'json'] },
  },
  'log-level': {
    placeholder: '[SUBSYSTEM=]LEVEL',
    parse: parseLogLevel,
    form: { type: 'string', pattern: '^([a-z]+=)?(error|warning|notice|info|debug)$' },
  },
  'log-scope': {
    placeholder: 'failed|all',
    parse: parseLogScope,
    form: { enum: ['failed', 'all'] },
  },
  'log-target': { placeholder: 'off|-|FILE', parse: orOff(parseLogFile), form: TEXT_OR_OFF },
  'long-duration': {
    placeholder: 'TIME',
    parse: parseLongDuration,
    form: { type: 'string', pattern: '^\\d+(\\.\\d+)? ?(ms|s|m|h|d)$' },
  },
  path: { placeholder: 'FILE', parse: parsePath, form: TEXT },
  'path-or-off': { placeholder: 'off|FILE', parse: orOff(parsePath), form: TEXT_OR_OFF },
  'redis-or-off': {
    placeholder: 'off|URL',
    parse: orOff(parseRedis),
    form: TEXT_OR_OFF,
    isSecret: true,
  },
  share: {
    placeholder: 'N%',
    parse: parseShare,
    form: { type: 'string', pattern: '^[\\d.]+ ?%$' },
  },
  size: {
    placeholder: 'BYTES',
    parse: parseSize,
    form: { type: ['string', 'integer'], pattern: '^\\d+(\\.\\d+)? ?([KMGTkmgt]i?)?[Bb]?$' },
  },
  switch: { placeholder: 'on|off', parse: parseSwitch, form: { enum: ['on', 'off', true, false] } },
  url: { placeholder: 'URL', parse: parseOrigin, form: TEXT },
  'url-or-off': {
    placeholder: 'off|URL',
    parse: orOff(parseUrl),
    form: TEXT_OR_OFF,
    isSecret: true,
  },
} satisfies Record<string, ValueType>;

export type ValueTypeName = keyof typeof valueTypes;

/** What a value of a kind is once read. */
export type ValueOfType<K extends ValueTypeName> = ReturnType<(typeof valueTypes)[K]['parse']>;

export function valueTypeOf(name: ValueTypeName): ValueType {
  return valueTypes[name];
}

/** Reads a value by its kind. Throws UsageError. */
export function readValueType<K extends ValueTypeName>(
  kind: K,
  words: OptionWords,
  given: ExplicitValue,
): ValueOfType<K> {
  const { parse }: { parse: Parse<unknown> } = valueTypes[kind];
  return parse(words, given) as ValueOfType<K>;
}
