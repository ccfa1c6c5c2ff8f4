/**
 * Runs the modules of a plugin. Not by Node's loader, which never forgets a module: as scripts, which go
 * when nobody uses them any more, so that a plugin can be reloaded a thousand times. Packages that it
 * imports, and Node's own modules, are Node's to load, and stay.
 */
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Script } from 'node:vm';
import { moduleText } from '../loading/module-text.ts';
import * as api from './api.ts';
import type { PluginModule } from './options.ts';
import { ownModule, timersFor } from './process-guard.ts';

type Exports = Record<string, unknown>;

type Body = (
  exports: Exports,
  load: Load,
  importLater: (specifier: string) => Promise<unknown>,
  meta: { readonly url: string; readonly filename: string; readonly dirname: string },
) => void;

interface Load {
  (specifier: string): Exports;
  byDefault(specifier: string): unknown;
}

/** What a module exports is no plugin; the message says why. */
class PluginShapeError extends Error {}

const NAME = /^[a-z][a-z0-9-]{0,39}$/;

/**
 * What the first module exports by default. Throws what the modules throw, and PluginShapeError. `name`: by
 * which the plugin is told of.
 */
export function runPlugin(
  modules: readonly PluginModule[],
  name: string,
): api.PluginDefinition<unknown> {
  const definition = new PluginProgram(modules, name).run(modules[0]!.path).default;
  checkDefinition(definition);
  return definition;
}

function checkDefinition(definition: unknown): asserts definition is api.PluginDefinition<unknown> {
  const { name, setup, onFault } = (definition ?? {}) as Partial<api.PluginDefinition<unknown>>;
  if (typeof setup !== 'function') {
    throw new PluginShapeError('it exports no plugin: write export default definePlugin({…})');
  }
  if (typeof name !== 'string' || !NAME.test(name)) {
    const how = 'lower case letters, digits and hyphens, 40 at most';
    throw new PluginShapeError(`its name is ${JSON.stringify(name)}: write ${how}`);
  }
  if (onFault !== undefined && onFault !== 'skip' && onFault !== 'refuse') {
    throw new PluginShapeError("its onFault is neither 'skip' nor 'refuse'");
  }
}

let known: Exports | null = null;

/** As `index.ts` exports it. TypeBox is loaded by the first plugin that wants it. */
function publicApi(): Exports {
  const require = createRequire(import.meta.url);
  known ??= {
    ...api,
    get Type() {
      return (require('typebox') as Exports).Type;
    },
  };
  return known;
}

class PluginProgram {
  readonly #texts: ReadonlyMap<string, string>;
  readonly #exports = new Map<string, Exports>();
  readonly #running = new Set<string>();

  readonly #timers: ReturnType<typeof timersFor>;
  readonly #name: string;

  constructor(modules: readonly PluginModule[], name: string) {
    this.#texts = new Map(modules.map(({ path, text }) => [path, text]));
    this.#name = name;
    this.#timers = timersFor(name);
  }

  run(path: string): Exports {
    const there = this.#exports.get(path);
    if (there !== undefined) return there;
    if (this.#running.has(path)) throw new PluginShapeError(`${path} leads back to itself`);
    const text = this.#texts.get(path);
    if (text === undefined) throw new PluginShapeError(`${path} is none of its modules`);
    const url = pathToFileURL(path).href;
    ownModule(url, this.#name);
    const names = Object.keys(this.#timers).join();
    const body = `(function (${names}) { return ${moduleText(text).text} })`;
    const script = new Script(body, { filename: url });
    const exports: Exports = {};
    const require = createRequire(path);
    const load: Load = (specifier) => this.#load(specifier, path, require);
    load.byDefault = (specifier) => defaultOf(load(specifier));
    const later = async (specifier: string) => load(specifier);
    this.#running.add(path);
    const meta = { url, filename: path, dirname: dirname(path) };
    const module = script.runInThisContext() as (...timers: unknown[]) => Body;
    module(...Object.values(this.#timers))(exports, load, later, meta);
    this.#running.delete(path);
    this.#exports.set(path, exports);
    return exports;
  }

  #load(specifier: string, from: string, require: NodeJS.Require): Exports {
    if (specifier === 'sluice/plugin') return publicApi();
    if (specifier.startsWith('.')) return this.run(resolve(dirname(from), specifier));
    return require(specifier) as Exports;
  }
}

/** Of Node's modules and CommonJS the module itself is what is exported by default. */
function defaultOf(exports: Exports): unknown {
  return typeof exports === 'object' && 'default' in exports ? exports.default : exports;
}
