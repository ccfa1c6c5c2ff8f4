import type { Static } from 'typebox';
import { Type } from 'typebox';
import { durationText } from '../../base/duration-text.ts';
import { defaultPluginLimits } from '../../plugin/limits.ts';
import { duration, list, oneOf, section, text } from './typed-keys.ts';

const options = Type.Unsafe<object>({
  type: 'object',
  additionalProperties: true,
  'x-later': true,
  title: 'Options of the plugin, as its own schema describes them.',
  description: 'They are checked with the rest of the file, with line and column.',
  default: 'none',
  examples: [{ header: 'X-User' }],
});

const match = section(
  {
    routes: list(text({ title: 'The name of a route.', minLength: 1, examples: ['admin'] }), {
      title: 'Routes that it is for.',
      description: 'Other routes pay nothing for it.',
      default: 'every route',
      examples: [['admin']],
    }),
    paths: list(text({ title: 'As path-prefix.', minLength: 1, examples: ['/admin'] }), {
      title: 'Paths that it is for, each with all below it.',
      description:
        'A path that can be read as one of them is one: other spellings do not get past a plugin.',
      default: 'every path',
      examples: [['/admin']],
    }),
    methods: list(text({ title: 'A method.', minLength: 1, examples: ['GET'] }), {
      title: 'Methods that it is for.',
      description: 'GET includes HEAD.',
      default: 'every method',
      examples: [['GET']],
    }),
  },
  {
    title: 'Which requests the plugin is for: all conditions must hold.',
    default: 'every request',
    examples: [{ routes: ['admin'] }],
  },
);

const plugin = section(
  {
    use: text({
      title: 'The plugin: a file, or the name of a package.',
      description:
        'A path begins with `./`, `../` or `/` and counts from the directory of this file; it may be ' +
        'TypeScript. A package is looked for in `node_modules` there and above.',
      default: 'none: it must be given',
      minLength: 1,
      examples: ['./plugins/auth.ts'],
    }),
    name: text({
      title: 'The name in logs, metrics and incidents.',
      description: 'To use one plugin twice.',
      default: 'the name that the plugin has given itself',
      pattern: '^[a-z][a-z0-9-]{0,39}$',
      examples: ['staff-auth'],
    }),
    match,
    options,
    'on-fault': oneOf(['skip', 'refuse'], {
      title: 'What becomes of a request when a hook of the plugin fails.',
      description:
        '`skip`: it goes on as if the hook were not there. `refuse`: it is answered 500, and 503 while the ' +
        'plugin is disabled.',
      default: 'as the plugin says: refuse when it has a hook onRequest, else skip',
      examples: ['refuse'],
    }),
    timeout: duration({
      title: 'How long an asynchronous hook may take.',
      description: 'The request waits meanwhile. More is a fault.',
      default: durationText(defaultPluginLimits.timeoutMs),
      examples: ['500ms'],
    }),
  },
  {
    title: 'One plugin.',
    required: ['use'],
    examples: [{ use: './plugins/auth.ts', match: { routes: ['admin'] } }],
  },
);

export const pluginsSchema = list(plugin, {
  title: 'Code of your own at the edge: plugins, in the order in which their hooks are called.',
  description:
    'docs/how-to/write-a-plugin.md shows how to write one, docs/reference/plugins.md has every hook.',
  default: 'none',
  examples: [[{ use: './plugins/auth.ts' }]],
});

export type PluginsEntry = Static<typeof pluginsSchema>;
