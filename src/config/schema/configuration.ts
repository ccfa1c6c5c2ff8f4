/** The whole of a configuration file: every section, and the keys that say the same as a flag. */
import type { Static } from 'typebox';
import type { ValueSchema } from '../document/keywords.ts';
import { acmeSchema } from './acme.ts';
import { connectSchema } from './connect.ts';
import { errorLogSchema } from './error-log.ts';
import { featuresSchema } from './features.ts';
import { flagKey, flagNames } from './flags.ts';
import { hostsSchema } from './hosts.ts';
import {
  adminSchema,
  autoDisableSchema,
  cacheSchema,
  clusterSchema,
  incidentsSchema,
} from './instance.ts';
import { listenersSchema } from './listeners.ts';
import { logsSchema } from './logs.ts';
import { originsSchema } from './origins.ts';
import { pluginsSchema } from './plugins.ts';
import { routesSchema } from './routes.ts';
import { timeoutsSchema } from './timeouts.ts';
import { tlsSchema } from './tls.ts';
import { section } from './typed-keys.ts';

/** In the order in which files are written and documented. */
const sections = {
  listeners: listenersSchema,
  timeouts: timeoutsSchema,
  hosts: hostsSchema,
  tls: tlsSchema,
  acme: acmeSchema,
  cluster: clusterSchema,
  origins: originsSchema,
  routes: routesSchema,
  plugins: pluginsSchema,
  cache: cacheSchema,
  connect: connectSchema,
  logs: logsSchema,
  'error-log': errorLogSchema,
  admin: adminSchema,
  features: featuresSchema,
  incidents: incidentsSchema,
  'auto-disable': autoDisableSchema,
};

const flags = Object.fromEntries(flagNames.map((name) => [name, flagKey(name)]));

const schema: unknown = section(
  { ...flags, ...sections },
  { title: 'The configuration of sluice.', examples: [{ origin: 'http://127.0.0.1:3000' }] },
);

/** As plain JSON Schema. */
export const configurationSchema = schema as ValueSchema;

/** Once read; what is said by flags' keys is kept apart. */
export type ConfigurationEntry = {
  readonly [K in keyof typeof sections]?: Static<(typeof sections)[K]>;
};
