/**
 * The order of locations. nginx takes an exact one, else looks for the longest prefix, then for the
 * first regular expression in the order of the file, unless the longest prefix says `^~`. Our routes
 * are gone through from the first to the last, so that they are sorted to give the same choice.
 */
import type { Directive } from './parser.ts';

export type LocationKind = 'exact' | 'prefix' | 'regex' | 'named';

export interface Location {
  readonly directive: Directive;
  readonly kind: LocationKind;
  /** The path, regular expression or name. */
  readonly text: string;
  readonly ignoreCase: boolean;
  /** `^~`: no regular expression is tried. */
  readonly isFinal: boolean;
  /** Blocks around it, the outermost first, itself last. */
  readonly chain: readonly Directive[];
  readonly nested: readonly Location[];
}

/** A route to be: what it matches, and whose location it is. */
export interface OrderedLocation {
  readonly location: Location;
  /** Only below this prefix; '' for everywhere. */
  readonly within: string;
}

export interface LocationOrder {
  readonly ordered: readonly OrderedLocation[];
  /** No request comes to them. */
  readonly unreachable: readonly Location[];
  /** Regular expressions within such: two patterns for one path. */
  readonly impossible: readonly Location[];
}

/** Null for what is none. */
function locationOf(directive: Directive, around: readonly Directive[]): Location | null {
  const [first = '', second = ''] = directive.args;
  const chain = [...around, directive];
  const nested = nestedIn(directive, chain);
  const made = (kind: LocationKind, text: string, more: Partial<Location> = {}): Location => {
    return { directive, kind, text, ignoreCase: false, isFinal: false, chain, nested, ...more };
  };
  if (first === '=') return made('exact', second);
  if (first === '~') return made('regex', second);
  if (first === '~*') return made('regex', second, { ignoreCase: true });
  if (first === '^~') return made('prefix', second, { isFinal: true });
  if (directive.args.length > 1 || first === '') return null;
  if (first.startsWith('@')) return made('named', first);
  // nginx lets the sign and the path stand together.
  const joined = /^(=|~\*|~|\^~)(.+)$/.exec(first);
  if (joined !== null) {
    return locationOf({ ...directive, args: joined.slice(1), block: directive.block }, around);
  }
  return made('prefix', first);
}

export function nestedIn(directive: Directive, chain: readonly Directive[]): Location[] {
  return (directive.block ?? [])
    .filter(({ name }) => name === 'location')
    .map((one) => locationOf(one, chain))
    .filter((location) => location !== null);
}

/** A prefix that can be what a request ends at, with the regular expressions that are tried first. */
interface Leaf {
  readonly location: Location;
  readonly regexes: readonly Location[];
}

export function orderLocations(level: readonly Location[]): LocationOrder {
  const leaves: Leaf[] = [];
  const exact: Location[] = [];
  const unreachable: Location[] = [];
  collect({ level, outer: [], rivals: [] }, { leaves, exact, unreachable });
  leaves.sort((a, b) => b.location.text.length - a.location.text.length || depth(b) - depth(a));
  const global = level.filter(({ kind }) => kind === 'regex');
  const isUsual = ({ regexes }: Leaf) =>
    regexes.length === global.length && regexes.every((regex, i) => regex === global[i]);
  const unusual = leaves.filter((leaf) => !isUsual(leaf));
  // One whose choice is the usual one, but that stands below one with another, comes before that.
  const early = leaves.filter(
    (leaf) =>
      !isUsual(leaf) || unusual.some((one) => leaf.location.text.startsWith(one.location.text)),
  );
  const ordered: OrderedLocation[] = exact.map((location) => ({ location, within: '' }));
  for (const { location, regexes } of early) {
    ordered.push(...regexes.flatMap((regex) => withNested(regex, location.text)));
    ordered.push({ location, within: '' });
  }
  ordered.push(...global.flatMap((regex) => withNested(regex, '')));
  for (const leaf of leaves) {
    if (!early.includes(leaf)) ordered.push({ location: leaf.location, within: '' });
  }
  return { ordered, unreachable, impossible: regexesInRegexes(level) };
}

function depth({ location }: Leaf): number {
  return location.chain.length;
}

interface Level {
  readonly level: readonly Location[];
  /** Regular expressions of the levels around it, which are tried after its own. */
  readonly outer: readonly Location[];
  /** Prefixes of the levels around it that win over it when they are longer. */
  readonly rivals: readonly Location[];
}

interface Collected {
  readonly leaves: Leaf[];
  readonly exact: Location[];
  readonly unreachable: Location[];
}

function collect({ level, outer, rivals }: Level, into: Collected): void {
  const own = level.filter(({ kind }) => kind === 'regex');
  for (const location of level) {
    if (location.kind !== 'exact' && location.kind !== 'prefix') continue;
    if (rivals.some((rival) => location.text.startsWith(rival.text))) {
      into.unreachable.push(location);
      continue;
    }
    if (location.kind === 'exact') {
      into.exact.push(location);
      continue;
    }
    const after = location.isFinal ? outer : [...own, ...outer];
    const nestedRegexes = location.nested.filter(({ kind }) => kind === 'regex');
    into.leaves.push({ location, regexes: [...nestedRegexes, ...after] });
    const longer = level.filter(({ kind, text }) => {
      return (
        kind === 'prefix' && text.length > location.text.length && text.startsWith(location.text)
      );
    });
    collect({ level: location.nested, outer: after, rivals: [...rivals, ...longer] }, into);
  }
}

/** Prefixes within a regular expression are looked for when it has matched. */
function withNested(regex: Location, within: string): OrderedLocation[] {
  const inner = regex.nested
    .filter(({ kind }) => kind === 'exact' || kind === 'prefix')
    .toSorted((a, b) => order(a) - order(b) || b.text.length - a.text.length);
  return [...inner, regex].map((location) => ({ location, within }));
}

function order({ kind }: Location): number {
  return kind === 'exact' ? 0 : 1;
}

function regexesInRegexes(level: readonly Location[]): Location[] {
  return level.flatMap(({ kind, nested }) => {
    const here = kind === 'regex' ? nested.filter((one) => one.kind === 'regex') : [];
    return [...here, ...regexesInRegexes(nested)];
  });
}
