/**
 * From the section of plugins to options. Each plugin has to run before its options can be read: it runs in a
 * thread that is thrown away, so that whatever it does there harms nobody.
 */

import { defaultPluginLimits } from '../../plugin/limits.ts';
import type { PluginOptions } from '../../plugin/options.ts';
import { type DescribedPlugin, PluginTrial } from '../../plugin/plugin-trial.ts';
import {
  type PluginSource,
  PluginSourceError,
  pluginEntry,
  readPlugin,
} from '../../plugin/source.ts';
import type { Diagnostic } from '../document/diagnostic.ts';
import type { ValueSchema } from '../document/keywords.ts';
import { readPartBySchema } from '../document/reader.ts';
import type { PluginsEntry } from '../schema/plugins.ts';
import { nearestWord } from '../suggestion.ts';
import { type Compilation, CompileContext } from './context.ts';

type Entry = PluginsEntry[number];

interface ReadPlugin {
  readonly index: number;
  readonly entry: Entry;
  readonly source: PluginSource;
}

const NO_OPTIONS: ValueSchema = { type: 'object', properties: {}, additionalProperties: false };

export class PendingPlugins {
  readonly #entries: PluginsEntry;
  readonly #routes: readonly string[];
  readonly #compilation: Compilation;
  readonly #diagnostics: Diagnostic[] = [];
  readonly #context: CompileContext;

  /** `routes`: the names of all. */
  constructor(entries: PluginsEntry, routes: readonly string[], compilation: Compilation) {
    this.#entries = entries;
    this.#routes = routes;
    this.#compilation = { ...compilation, diagnostics: this.#diagnostics };
    this.#context = new CompileContext(this.#compilation, ['plugins']);
  }

  /** Where there are diagnostics, the rest may not be used. */
  async compile(): Promise<{
    readonly plugins: readonly PluginOptions[];
    readonly diagnostics: readonly Diagnostic[];
  }> {
    const read = this.#entries.flatMap((entry, index) => this.#read(entry, index));
    const plugins = this.#diagnostics.length > 0 ? [] : await this.#try(read);
    return { plugins, diagnostics: this.#diagnostics };
  }

  #read(entry: Entry, index: number): ReadPlugin[] {
    this.#checkMatch(entry, index);
    try {
      const source = readPlugin(pluginEntry(entry.use, this.#context.directory));
      return [{ index, entry, source }];
    } catch (error) {
      if (!(error instanceof PluginSourceError)) throw error;
      const remedy = 'name a file, as in ./plugins/auth.ts, or a package that is installed';
      this.#context.refuse([index, 'use'], error.message, remedy);
      return [];
    }
  }

  #checkMatch({ match = {} }: Entry, index: number): void {
    for (const [i, route] of (match.routes ?? []).entries()) {
      if (this.#routes.includes(route)) continue;
      const near = nearestWord(route, this.#routes);
      const remedy =
        near === undefined ? `write ${this.#routes.join(' or ')}` : `did you mean ${near}?`;
      this.#context.refuse([index, 'match', 'routes', i], `no route is called ${route}`, remedy);
    }
    for (const [i, path] of (match.paths ?? []).entries()) {
      if (path.startsWith('/')) continue;
      const remedy = `write /${path}`;
      this.#context.refuse([index, 'match', 'paths', i], 'a path begins with /', remedy);
    }
  }

  async #try(read: readonly ReadPlugin[]): Promise<PluginOptions[]> {
    await using trial = new PluginTrial(read.map(({ source }) => source.modules));
    const described: (DescribedPlugin | null)[] = [];
    const values: unknown[] = [];
    for (const [i, { index, entry }] of read.entries()) {
      const found = await trial.describe(i);
      if ('problem' in found) this.#refuseUse(index, found.problem);
      described.push('problem' in found ? null : found);
      values.push('problem' in found ? {} : this.#options(found, entry, index));
    }
    this.#checkNames(read, described);
    if (this.#diagnostics.length > 0) return [];
    const plugins: PluginOptions[] = [];
    for (const [i, one] of read.entries()) {
      const hooks = await trial.setUp(i, values[i]);
      if ('problem' in hooks) {
        const path = one.entry.options === undefined ? [one.index] : [one.index, 'options'];
        this.#context.refuse(
          path,
          `its setup failed: ${hooks.problem}`,
          'mend the plugin, or its options',
        );
        continue;
      }
      plugins.push(optionsOf(one, described[i]!, values[i], hooks.hooks));
    }
    return plugins;
  }

  #refuseUse(index: number, problem: string): void {
    this.#context.refuse([index, 'use'], problem, 'mend the plugin');
  }

  #options({ schema }: DescribedPlugin, { options }: Entry, index: number): unknown {
    const wanted = schema === null ? NO_OPTIONS : readable(schema as ValueSchema);
    if (options === undefined) {
      const [missing] = wanted.required ?? [];
      if (missing === undefined) return withDefaults({}, wanted);
      this.#context.refuse([index], `it has no options, and needs ${missing}`, 'write options');
      return {};
    }
    const path = ['plugins', index, 'options'];
    const read = readPartBySchema(this.#compilation.parsed, wanted, path);
    this.#diagnostics.push(...read.diagnostics);
    return withDefaults(read.value as Record<string, unknown>, wanted);
  }

  #checkNames(read: readonly ReadPlugin[], described: readonly (DescribedPlugin | null)[]): void {
    const names = new Set<string>();
    for (const [i, { index, entry }] of read.entries()) {
      const name = entry.name ?? described[i]?.name;
      if (name === undefined) continue;
      if (names.has(name)) {
        const path = entry.name === undefined ? [index] : [index, 'name'];
        this.#context.refuse(path, `another plugin is called ${name}`, 'give one of them a name');
      }
      names.add(name);
    }
  }
}

/** What has a default need not be written, and messages have an example of each. */
function readable(schema: ValueSchema): ValueSchema {
  const { properties, required = [], items, anyOf } = schema;
  const below = Object.entries(properties ?? {}).map(([key, one]) => [key, readable(one)] as const);
  return {
    ...schema,
    ...(schema.examples === undefined && { examples: [exampleOf(schema)].filter(isThere) }),
    ...(properties !== undefined && {
      properties: Object.fromEntries(below),
      required: required.filter((key) => properties[key]?.default === undefined),
      additionalProperties: schema.additionalProperties ?? false,
    }),
    ...(items !== undefined && { items: readable(items) }),
    ...(anyOf !== undefined && { anyOf: anyOf.map(readable) }),
  };
}

function exampleOf({ default: byDefault, enum: words, type, minimum }: ValueSchema): unknown {
  if (byDefault !== undefined) return byDefault;
  if (words !== undefined) return words[0];
  if (type === 'string') return 'text';
  if (type === 'boolean') return 'on';
  return type === 'integer' || type === 'number' ? (minimum ?? 1) : undefined;
}

function isThere(value: unknown): boolean {
  return value !== undefined;
}

/** What was not written is as the schema says. */
function withDefaults(value: Record<string, unknown>, { properties = {} }: ValueSchema): object {
  const defaults = Object.entries(properties).filter(([, one]) => one.default !== undefined);
  return { ...Object.fromEntries(defaults.map(([key, one]) => [key, one.default])), ...value };
}

function optionsOf(
  { entry, source }: ReadPlugin,
  { name, onFault }: DescribedPlugin,
  options: unknown,
  hooks: PluginOptions['hooks'],
): PluginOptions {
  const { match = {} } = entry;
  return {
    name: entry.name ?? name,
    use: entry.use,
    modules: source.modules,
    version: source.version,
    options,
    match: { routes: match.routes ?? [], paths: match.paths ?? [], methods: match.methods ?? [] },
    onFault: entry['on-fault'] ?? onFault ?? (hooks.includes('onRequest') ? 'refuse' : 'skip'),
    hooks,
    timeoutMs: entry.timeout ?? defaultPluginLimits.timeoutMs,
  };
}
