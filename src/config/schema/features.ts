import { type TSchema, Type } from 'typebox';
import { DANGER_PREFIX, featureTable, PLUGIN_PREFIX } from '../../tls/features.ts';
import { onOff } from './typed-keys.ts';

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

const plugin = onOff({
  title: 'A plugin, by its name.',
  description: 'Without a plugin whose `on-fault` is `refuse` its requests are answered 503.',
  default: 'on',
  examples: ['off'],
});

/** Read as `--feature` is. */
export const featuresSchema = Type.Unsafe<Readonly<Record<string, boolean>>>({
  type: 'object',
  properties: known,
  patternProperties: { [`^${DANGER_PREFIX}`]: danger, [`^${PLUGIN_PREFIX}`]: plugin },
  additionalProperties: false,
  title: 'Features that watch or alter handshakes, by name: enable or disable them.',
  description: 'To disable what is suspected of a fault and keep the rest.',
  default: 'as listed',
  examples: [{ 'alpn-h2': 'off' }],
});
