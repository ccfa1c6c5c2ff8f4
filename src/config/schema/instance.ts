/** Sections whose keys say the same as flags: what belongs together is written together. */
import { flagKey } from './flags.ts';
import { either, section } from './typed-keys.ts';

export const cacheSchema = section(
  {
    size: flagKey('cache-size'),
    memory: flagKey('cache-memory'),
    directory: flagKey('cache-dir'),
    'purge-from': flagKey('purge-from'),
  },
  {
    title: 'Where responses are stored. Each route decides what is stored.',
    default: 'in memory',
    examples: [{ size: '4GiB', directory: '/var/cache/sluice' }],
  },
);

export const adminSchema = either(
  [
    flagKey('admin'),
    section(
      { address: flagKey('admin'), 'token-file': flagKey('admin-token-file') },
      { title: 'With more settings.', examples: [{ address: '127.0.0.1:8081' }] },
    ),
  ],
  {
    title: 'The admin endpoint: metrics, states, the dashboard, and the commands of `sluice`.',
    description: 'On a loopback address or a UNIX socket only.',
    default: 'off',
    examples: ['127.0.0.1:8081', 'unix:/run/sluice/admin.sock'],
  },
);

export const incidentsSchema = section(
  {
    directory: flagKey('incident-dir'),
    addresses: flagKey('incident-addresses'),
    'early-data-digest': flagKey('incident-early-data-digest'),
    watchdog: flagKey('watchdog'),
    debugger: flagKey('debugger'),
  },
  {
    title: 'What is recorded of workers that die or hang.',
    default: 'as below',
    examples: [{ directory: '/var/lib/sluice/incidents', watchdog: '30s' }],
  },
);

export const autoDisableSchema = either(
  [
    flagKey('auto-disable'),
    section(
      {
        enabled: flagKey('auto-disable'),
        deaths: flagKey('auto-disable-deaths'),
        window: flagKey('auto-disable-window'),
        webhook: flagKey('auto-disable-webhook'),
      },
      { title: 'With more settings.', examples: [{ deaths: 5, window: '5m' }] },
    ),
  ],
  {
    title: 'Disable the suspect feature when workers die in the same way again and again.',
    default: 'on',
    examples: ['off', { deaths: 5, window: '5m' }],
  },
);

export const clusterSchema = either(
  [
    flagKey('cluster'),
    section(
      { redis: flagKey('cluster'), timeout: flagKey('cluster-timeout') },
      {
        title: 'With a timeout.',
        examples: [{ redis: 'redis://10.0.0.5:6379', timeout: '20ms' }],
      },
    ),
  ],
  {
    title: 'The Redis through which instances on several machines share tickets and early data.',
    default: 'off',
    examples: ['redis://10.0.0.5:6379', { redis: 'rediss://:password@redis.internal/1' }],
  },
);
