/**
 * Loads the program, in place of Node's own loader of modules: that finds, reads, strips and compiles
 * each of some hundred files at each start. Here they are taken from one file (`kept-modules.ts`), each
 * as long as its source is the same. Packages and Node's own modules are Node's to load.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Script } from 'node:vm';
import { type KeptModule, readKept, writeKept } from './kept-modules.ts';
import { moduleText } from './module-text.ts';

type Exports = Record<string, unknown>;

interface Load {
  (specifier: string): Exports;
  byDefault(specifier: string): unknown;
}

type Body = (
  exports: Exports,
  load: Load,
  importLater: (specifier: string) => Promise<Exports>,
  meta: { readonly url: string },
) => void;

/** One file of kept modules, and what has run of them. Exported for tests: the program itself is one. */
export class Program {
  readonly #keptFile: string | null;
  /** Null while nothing of it is needed. */
  #kept: Map<string, KeptModule> | null = null;
  readonly #modules = new Map<string, KeptModule>();
  readonly #packages = new Map<string, Exports>();
  readonly #exports = new Map<string, Exports>();
  readonly #running = new Set<string>();
  /** Those that ran, and whose code is not kept yet. */
  readonly #fresh = new Map<string, Script>();

  constructor(keptFile: string | null) {
    this.#keptFile = keptFile;
    // It runs already, and is one.
    this.#exports.set(fileURLToPath(import.meta.url), { keepProgram });
  }

  async load(path: string): Promise<Exports> {
    const packages = new Set<string>();
    this.#prepare(path, new Set(), packages);
    for (const name of packages) {
      if (!this.#packages.has(name)) this.#packages.set(name, await import(name));
    }
    return this.#run(path);
  }

  keep(): void {
    const file = this.#keptFile;
    if (file !== null && this.#fresh.size > 0) {
      const all = new Map([...this.#keptModules(), ...this.#modules]);
      for (const [path, script] of this.#fresh) {
        all.set(path, { ...this.#modules.get(path)!, code: script.createCachedData() });
      }
      writeKept(
        file,
        [...all.values()].filter((one) => existsSync(one.path)),
      );
      this.#fresh.clear();
    }
    // What has run is not looked up again, and all of this is large.
    this.#kept = null;
    this.#modules.clear();
  }

  /** Reads the module and all that has to run before it. */
  #prepare(path: string, seen: Set<string>, packages: Set<string>): void {
    if (seen.has(path) || this.#exports.has(path)) return;
    seen.add(path);
    for (const specifier of this.#module(path).imports) {
      if (specifier.startsWith('.')) this.#prepare(resolve(path, '..', specifier), seen, packages);
      else if (!specifier.startsWith('node:')) packages.add(specifier);
    }
  }

  #module(path: string): KeptModule {
    const known = this.#modules.get(path);
    if (known !== undefined) return known;
    const { size, ino, mtimeMs, ctimeMs } = statSync(path);
    const stamp = [size, ino, mtimeMs, ctimeMs].join(' ');
    const kept = this.#keptModules().get(path);
    const module = kept?.stamp === stamp ? kept : { ...translated(path), stamp };
    this.#modules.set(path, module);
    return module;
  }

  #keptModules(): Map<string, KeptModule> {
    this.#kept ??= this.#keptFile === null ? new Map() : readKept(this.#keptFile);
    return this.#kept;
  }

  #run(path: string): Exports {
    if (this.#running.has(path)) throw new Error(`${path} leads back to itself`);
    const there = this.#exports.get(path);
    if (there !== undefined) return there;
    const { text, code } = this.#module(path);
    const url = pathToFileURL(path).href;
    const script = new Script(text, { filename: url, ...(code !== null && { cachedData: code }) });
    const exports: Exports = {};
    const load: Load = (specifier) => this.#loaded(specifier, path);
    load.byDefault = (specifier) =>
      specifier.startsWith('node:') ? load(specifier) : load(specifier).default;
    const later = (specifier: string) => this.#import(specifier, path);
    this.#running.add(path);
    (script.runInThisContext() as Body)(exports, load, later, { url });
    this.#running.delete(path);
    this.#exports.set(path, exports);
    if (code === null || script.cachedDataRejected === true) this.#fresh.set(path, script);
    return exports;
  }

  #loaded(specifier: string, from: string): Exports {
    if (specifier.startsWith('node:')) return process.getBuiltinModule(specifier) as Exports;
    return this.#packages.get(specifier) ?? this.#run(resolve(from, '..', specifier));
  }

  #import(specifier: string, from: string): Promise<Exports> {
    return specifier.startsWith('.')
      ? this.load(resolve(from, '..', specifier))
      : import(specifier);
  }
}

function translated(path: string): Omit<KeptModule, 'stamp'> {
  const source = readFileSync(path, 'utf8');
  const code = path.endsWith('.ts') ? stripTypeScriptTypes(source) : source;
  try {
    return { path, ...moduleText(code), code: null };
  } catch (error) {
    throw new SyntaxError(`${path}: ${(error as Error).message}`);
  }
}

let program: Program | null = null;

/**
 * Runs a module of ours, once in a process, and resolves with what it exports. What runs is all loaded
 * by this, or nothing is: a module that were loaded twice would be two.
 */
export async function load(path: string): Promise<Exports> {
  if (isWatched()) return import(pathToFileURL(path).href);
  if (program === null) {
    program = new Program(keptFileOf(path));
    process.on('exit', keepProgram);
  }
  return program.load(path);
}

/** When all that is needed at a start has run: the next one is faster for it. */
export function keepProgram(): void {
  program?.keep();
}

/** Whether somebody has come before us to see, or change, what Node loads. */
function isWatched(): boolean {
  const words = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)];
  return words.some((word) =>
    /^(?:-r$|--(?:require|import|(?:experimental-)?loader)\b)/.test(word),
  );
}

/** Beside what Node keeps of the rest. Each program has its own: they need other modules. */
function keptFileOf(path: string): string | null {
  const directory = process.env.NODE_COMPILE_CACHE ?? '';
  if (directory === '' || process.env.NODE_DISABLE_COMPILE_CACHE === '1') return null;
  const parts = [path, process.version, process.arch].join('\0');
  const name = createHash('sha256').update(parts).digest('hex').slice(0, 16);
  return join(resolve(directory), `program-${name}`);
}
