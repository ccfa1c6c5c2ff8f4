/** Reads the modules of a plugin: what runs is what was read when the configuration was, on all workers. */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createRequire, stripTypeScriptTypes } from 'node:module';
import { dirname, extname, join, resolve } from 'node:path';
import { moduleText } from '../loading/module-text.ts';
import type { PluginModule } from './options.ts';

/** Modules of one plugin. More are a program, which belongs into a package of its own. */
const PLUGIN_MODULES_MAX = 64;
/** Bytes of them together: they go to every worker with the options. */
const PLUGIN_BYTES_MAX = 1_048_576;

export interface PluginSource {
  readonly modules: readonly PluginModule[];
  readonly version: string;
}

/** The plugin cannot be read; the message says why, for the one who configures it. */
export class PluginSourceError extends Error {}

/** `use` is a path when it begins with `.` or `/`, else the name of a package. */
export function pluginEntry(use: string, directory: string): string {
  if (/^\.{0,2}\//.test(use)) return resolve(directory, use);
  try {
    return createRequire(join(directory, 'sluice.yaml')).resolve(use);
  } catch {
    throw new PluginSourceError(`there is no package ${use} for files in ${directory}`);
  }
}

/** Throws PluginSourceError. */
export function readPlugin(entry: string): PluginSource {
  const modules: PluginModule[] = [];
  const digest = createHash('sha256');
  const waiting = [entry];
  const seen = new Set(waiting);
  let bytes = 0;
  for (const path of waiting) {
    const source = sourceOf(path);
    bytes += source.length;
    if (modules.length === PLUGIN_MODULES_MAX || bytes > PLUGIN_BYTES_MAX) {
      const limits = `${PLUGIN_MODULES_MAX} modules and ${PLUGIN_BYTES_MAX} bytes`;
      throw new PluginSourceError(`it has more than ${limits}`);
    }
    digest.update(`${path}\0${source}\0`);
    const text = plainText(path, source);
    modules.push({ path, text });
    for (const specifier of moduleImports(path, text)) {
      if (!specifier.startsWith('.')) continue;
      const next = resolve(dirname(path), specifier);
      if (!seen.has(next)) waiting.push(next);
      seen.add(next);
    }
  }
  return { modules, version: digest.digest('hex').slice(0, 12) };
}

function sourceOf(path: string): string {
  try {
    if (!statSync(path).isFile()) throw new PluginSourceError(`${path}: it is no file`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof PluginSourceError) throw error;
    const { code = 'error' } = error as NodeJS.ErrnoException;
    throw new PluginSourceError(`${path}: it cannot be read (${code})`);
  }
}

function plainText(path: string, source: string): string {
  if (!['.ts', '.mts'].includes(extname(path))) return source;
  try {
    return stripTypeScriptTypes(source);
  } catch (error) {
    throw new PluginSourceError(`${path}: ${firstLine(error)}`);
  }
}

function moduleImports(path: string, text: string): readonly string[] {
  try {
    return moduleText(text).imports;
  } catch (error) {
    throw new PluginSourceError(`${path}: ${firstLine(error)}`);
  }
}

function firstLine(error: unknown): string {
  return (error as Error).message.split('\n').find((line) => line.trim() !== '') ?? 'unreadable';
}
