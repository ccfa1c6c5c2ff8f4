import { type TSchema, Type } from 'typebox';
import { DANGER_PREFIX, featureTable } from '../../tls/features.ts';
import { onOff } from './kinds.ts';

const known: Record<string, TSchema> = Object.fromEntries(
  featureTable.map(({ name, summary, isOnByDefault }) => {
    const words = { title: summary, default: isOnByDefault ? 'on' : 'off', examples: ['off'] };
    return [name, onOff(words)];
  }),
);

const danger = onOff({
  title: 'A feature of a module that `danger-module` names.',
  default: 'off',
  examples: ['on'],
});

/** Read as `--feature` is. */
export const featuresSchema = Type.Unsafe<Readonly<Record<string, boolean>>>({
  type: 'object',
  properties: known,
  patternProperties: { [`^${DANGER_PREFIX}`]: danger },
  additionalProperties: false,
  title: 'What watches or alters handshakes, by name, to be switched on or off.',
  description: 'To leave out what is suspected of a fault without losing the rest.',
  default: 'as listed',
  examples: [{ 'alpn-h2': 'off' }],
});
