/** From the sections of a file to options; what flags say instead is resolve.ts's matter. */
import type { Warn } from '../../base/errors.ts';
import { normalHostPattern, OverlappingNames } from '../../base/host-names.ts';
import { matchEverything, type RouteMatch } from '../../routing/route.ts';
import { hasVariables } from '../../routing/variables.ts';
import type { Diagnostic } from '../document/diagnostic.ts';
import { foreignWords } from '../document/foreign-files.ts';
import { readBySchema } from '../document/reader.ts';
import { parseSource, type Source } from '../document/source.ts';
import { substitute } from '../document/substitutions.ts';
import type { ExplicitOptions } from '../explicit-values.ts';
import { type OptionName, optionTable } from '../option-table.ts';
import type { ExplicitValue } from '../option-values.ts';
import type { HostOptions } from '../options.ts';
import { DEFAULT_GROUP } from '../resolve.ts';
import type { AcmeEntry } from '../schema/acme.ts';
import { type ConfigurationEntry, configurationSchema } from '../schema/configuration.ts';
import type { ErrorLogEntry } from '../schema/error-log.ts';
import type { FileSections } from '../sections.ts';
import { compileAcme } from './acme.ts';
import { compileConnect } from './connect.ts';
import { type Compilation, CompileContext } from './context.ts';
import { compileErrorLog } from './error-log.ts';
import { compileHosts } from './hosts.ts';
import { compileListeners } from './listeners.ts';
import { compileLogs } from './logs.ts';
import { compileOrigins } from './origins.ts';
import { PendingPlugins } from './plugins.ts';
import { covers } from './reach.ts';
import { compileRoutes } from './routes.ts';
import { compileTimeouts } from './timeouts.ts';
import { compileTls } from './tls.ts';
import { compileTransportPolicies } from './transport-policies.ts';

export interface CompiledFile {
  readonly sections: FileSections;
  /** What is to be known of plugins is known when they have run. */
  readonly plugins: PendingPlugins | null;
  /** Of keys that say the same as a flag. */
  readonly given: ExplicitOptions;
  /** When there is one, nothing else may be used. */
  readonly diagnostics: readonly Diagnostic[];
}

export interface FileSurroundings {
  readonly warn: Warn;
  readonly nowMs: number;
  /** See Surroundings. */
  readonly hostsInUse?: readonly HostOptions[];
}

/** Reads only what the file names, and writes nothing. */
export function compileFile(source: Source, surroundings: FileSurroundings): CompiledFile {
  const foreign = foreignWords(source.file, source.text);
  if (foreign !== null) {
    const place = { file: source.file, line: 1, column: 1, key: '' };
    return { ...NOTHING, diagnostics: [{ ...place, ...foreign }] };
  }
  const parsed = parseSource(source);
  const references = substitute(parsed, process.env);
  const read = readBySchema(parsed, configurationSchema);
  const found: Diagnostic[] = [];
  const { warn, nowMs, hostsInUse = [] } = surroundings;
  const compilation: Compilation = { parsed, diagnostics: found, warn, nowMs, hostsInUse };
  const entry = read.value as ConfigurationEntry;
  let sections: FileSections = {};
  try {
    sections = compileSections(entry, compilation);
    if (read.diagnostics.length + found.length === 0)
      warnOfUnused(sections, new CompileContext(compilation, []));
    warnOfUncovered(sections, new CompileContext(compilation, []));
  } catch (error) {
    // What stands in for a missing value may be more than a section can bear.
    if (read.diagnostics.length === 0) throw error;
  }
  const root = new CompileContext(compilation, []);
  const given = givenOf(read.given, entry, root);
  refuseBoth(given, entry, root);
  return {
    sections,
    plugins: pendingPlugins(entry, sections, compilation),
    given,
    diagnostics: [
      ...references.diagnostics,
      ...[...read.diagnostics, ...beside(read.diagnostics, found)].map((diagnostic) => ({
        ...diagnostic,
        problem: references.hide(diagnostic.problem),
        remedy: references.hide(diagnostic.remedy),
      })),
    ],
  };
}

const NOTHING = { sections: {}, plugins: null, given: new Map() } as const;

function compileSections(entry: ConfigurationEntry, compilation: Compilation): FileSections {
  const at = (name: string) => new CompileContext(compilation, [name]);
  const { listeners, hosts, tls, origins, routes, connect, timeouts, logs } = entry;
  const errorLog = mapOf<ErrorLogEntry>(entry['error-log']);
  const acme = mapOf<AcmeEntry>(entry.acme);
  // The section of origins, or the one that a flag or key makes.
  const groups = origins === undefined ? [DEFAULT_GROUP] : Object.keys(origins);
  return {
    ...(hosts && {
      hosts: compileHosts(hosts, at('hosts')),
      transportPolicies: compileTransportPolicies(hosts, at('hosts')),
    }),
    ...(acme && { acme: compileAcme(acme, at('acme')) }),
    ...(tls && { tls: compileTls(tls, at('tls')) }),
    ...(listeners && { listeners: compileListeners(listeners, at('listeners')) }),
    ...(origins && { origins: compileOrigins(origins, at('origins')) }),
    ...(connect && { connect: compileConnect(connect) }),
    ...(timeouts && { timeouts: compileTimeouts(timeouts) }),
    ...(logs && { logs: compileLogs(logs, at('logs')) }),
    ...(errorLog && { errorLogRotate: compileErrorLog(errorLog, at('error-log')) }),
    ...(routes && { routes: compileRoutes(routes, groups, at('routes')) }),
  };
}

/** Null for none. */
function pendingPlugins(
  { plugins = [] }: ConfigurationEntry,
  { routes }: FileSections,
  compilation: Compilation,
): PendingPlugins | null {
  if (plugins.length === 0) return null;
  const names = routes?.map(({ name }) => name) ?? [DEFAULT_GROUP];
  return new PendingPlugins(plugins, names, compilation);
}

/** Nothing is wrong with it, and yet it is hardly meant so. */
function warnOfUnused({ origins = [], routes }: FileSections, context: CompileContext): void {
  if (routes === undefined) return;
  for (const [index, { match }] of routes.entries()) {
    const before = routes.slice(0, index).findIndex((earlier) => covers(earlier.match, match));
    if (before === -1) continue;
    const taken = isForAll(routes[before]!.match) ? 'every request' : 'all that it is for';
    context.warn(['routes', index], `never reached: routes[${before}] is for ${taken}`);
  }
  const named = new Set<string>();
  // Those that requests name may be any.
  const patterns: RegExp[] = [];
  for (const { action } of routes) {
    if (action.kind !== 'origin') continue;
    if (hasVariables(action.origin)) patterns.push(namesLike(action.origin));
    else named.add(action.origin);
  }
  for (const { name } of origins) {
    if (!named.has(name) && !patterns.some((pattern) => pattern.test(name)))
      context.warn(['origins', name], 'no route names it');
  }
}

/** What a name with variables can be. */
function namesLike(text: string): RegExp {
  const parts = text.split(/\$\{[^{}]*\}/).map((part) => RegExp.escape(part));
  return new RegExp(`^${parts.join('.*')}$`);
}

/** The first host is for names that none has: with names of its own it has another's certificate. */
function warnOfUncovered({ hosts = [], routes = [] }: FileSections, context: CompileContext): void {
  if (hosts.length === 0 || hosts[0]!.tls.names.length === 0) return;
  const names = hosts.flatMap(({ tls }) => tls.names);
  const known = new OverlappingNames(names);
  for (const [index, { match }] of routes.entries()) {
    for (const [i, written] of match.hosts.entries()) {
      const wanted = normalHostPattern(written) ?? written;
      if (known.overlap(wanted)) continue;
      const problem = `no entry of hosts has this name: over TLS it gets the certificate of ${names[0]}`;
      context.warn(['routes', index, 'match', 'hosts', i], problem);
    }
  }
}

function isForAll(match: RouteMatch): boolean {
  return JSON.stringify(match) === JSON.stringify(matchEverything);
}

/** The key of a value, or of the list that it is in. */
function listKey({ position }: ExplicitValue): string {
  return position!.key.replace(/\[\d+\]$/, '');
}

/** Keys that are short for a section, and the section. */
const SHORT_FOR = {
  http: 'listeners',
  https: 'listeners',
  cert: 'hosts',
  key: 'hosts',
  origin: 'origins',
  'origin-ca': 'origins',
  'danger-skip-origin-verification': 'origins',
} as const satisfies Partial<Record<OptionName, keyof ConfigurationEntry>>;

function refuseBoth(
  given: ExplicitOptions,
  entry: ConfigurationEntry,
  context: CompileContext,
): void {
  for (const [name, section] of Object.entries(SHORT_FOR)) {
    if (!given.has(name as OptionName) || entry[section] === undefined) continue;
    context.refuse([name], `short for ${section}, which is there, too`, `write it as ${section}`);
  }
}

/**
 * What was found of values that could not even be read says nothing; nor does what was missed where
 * one of them is: it may be that one.
 */
function beside(unread: readonly Diagnostic[], found: readonly Diagnostic[]): Diagnostic[] {
  const bad = new Set(unread.map(({ key }) => key));
  const parents = new Set(unread.map(({ key }) => parentKey(key)));
  return found.filter(({ key }) => {
    if (parents.has(key)) return false;
    for (let part: string | null = key; part !== null; part = parentKey(part)) {
      if (bad.has(part)) return false;
    }
    return true;
  });
}

function parentKey(key: string): string | null {
  const parent = key.replace(/(?:\.[^.[\]]+|\[\d+\])$/, '');
  return parent === key ? null : parent;
}

function givenOf(
  read: ReadonlyMap<string, readonly ExplicitValue[]>,
  entry: ConfigurationEntry,
  context: CompileContext,
): ExplicitOptions {
  const { features = {} } = entry;
  const given: ExplicitOptions = new Map();
  for (const { name } of optionTable) {
    const values = read.get(name);
    if (values === undefined) continue;
    given.set(name, values);
    // In its section, and under the flag's name as well.
    const [first] = values;
    const other = values.find((value) => listKey(value) !== listKey(first!));
    if (other === undefined) continue;
    const problem = `given by ${listKey(first!)} already`;
    context.note([{ ...other.position!, problem, remedy: 'remove one of them' }]);
  }
  const switched = Object.entries(features).map(([name, isOn]) =>
    context.given(['features', name], `${name}=${isOn ? 'on' : 'off'}`),
  );
  if (switched.length > 0) given.set('feature', [...(given.get('feature') ?? []), ...switched]);
  const levels = Object.entries(mapOf<ErrorLogEntry>(entry['error-log'])?.levels ?? {});
  if (levels.length > 0) {
    const each = levels.map(([name, level]) =>
      context.given(['error-log', 'levels', name], `${name}=${level}`),
    );
    given.set('log-level', [...(given.get('log-level') ?? []), ...each]);
  }
  return given;
}

/** Null when it is one word, or not there. */
function mapOf<T extends object>(entry: unknown): T | null {
  return typeof entry === 'object' && entry !== null ? (entry as T) : null;
}
