/** From what a client did to the least of it that still does the same. */
import type { HandshakeScript, ReplayFlight } from '../replay/script.ts';
import { minimalSubset } from './delta-debugging.ts';
import { type HelloModel, readHello } from './hello-model.ts';
import { type HelloPart, helloPartsOf, withParts } from './hello-parts.ts';

/** Whether a script does what is looked for; `words` say what was left out of it. */
export type ScriptFails = (script: HandshakeScript, words: string) => Promise<boolean>;

/**
 * Coarse first: what follows the ClientHello, how it was cut into writes and when, then what is in
 * it. The script itself must fail.
 */
export async function reducedScript(
  script: HandshakeScript,
  fails: ScriptFails,
): Promise<HandshakeScript> {
  let least = script;
  const tryInstead = async (candidate: HandshakeScript | null, words: string) => {
    if (candidate !== null && (await fails(candidate, words))) least = candidate;
  };
  await tryInstead(withFlights(least, 1), 'the first flight only');
  while (least.flights.length > 1) {
    const shorter = withFlights(least, least.flights.length - 1)!;
    if (!(await fails(shorter, `${shorter.flights.length} flights`))) break;
    least = shorter;
  }
  await tryInstead(withoutResumption(least), 'no early data and no ticket of its own');
  await tryInstead(inOneWrite(least), 'the first flight in one write');
  await tryInstead(withoutRest(least), 'nothing after the ClientHello');
  const model = helloOf(least);
  return model === null ? least : withLeastHello(least, model, fails);
}

/** Bytes of the first flight; null when there are none. */
export function firstFlightOf({ flights }: HandshakeScript): Buffer | null {
  const [first] = flights;
  if (first === undefined || first.kind === 'finish') return null;
  if (first.kind === 'client-hello') return Buffer.from(first.template, 'base64');
  return Buffer.concat(first.writes.map(({ bytes }) => Buffer.from(bytes, 'base64')));
}

/** The script with another first flight, in one write. */
function withFirstFlight(script: HandshakeScript, flight: Buffer): HandshakeScript {
  const [first, ...others] = script.flights;
  const bytes = flight.toString('base64');
  const replaced: ReplayFlight =
    first?.kind === 'client-hello'
      ? { ...first, template: bytes, writes: [] }
      : { kind: 'bytes', writes: [{ delayMs: 0, bytes }] };
  return { ...script, flights: [replaced, ...others] };
}

function helloOf(script: HandshakeScript): HelloModel | null {
  const bytes = firstFlightOf(script);
  return bytes === null ? null : readHello(bytes);
}

/** Whole extensions first, then what is in those that are left. */
async function withLeastHello(
  script: HandshakeScript,
  model: HelloModel,
  fails: ScriptFails,
): Promise<HandshakeScript> {
  const all = helloPartsOf(model);
  const least = async (candidates: readonly HelloPart[], others: readonly HelloPart[]) => {
    // Nothing left out is the bytes as they are, in the writes as they are.
    if (candidates.length === 0) return candidates;
    const { items } = await minimalSubset(candidates, (kept) => {
      const bytes = withParts(model, inOrder(all, [...kept, ...others]));
      return fails(withFirstFlight(script, bytes), leftOutWords(candidates, kept));
    });
    return items;
  };
  const isLarge = ({ kind }: HelloPart) => kind !== 'entry' && kind !== 'cipher-suite';
  const large = all.filter(isLarge);
  const small = all.filter((part) => !isLarge(part));
  const largeKept = await least(large, small);
  const extensions = new Set(largeKept.map(({ extension }) => extension));
  const inside = small.filter(({ extension }) => extension === -1 || extensions.has(extension));
  const smallKept = await least(inside, largeKept);
  const kept = inOrder(all, [...largeKept, ...smallKept]);
  if (kept.length === all.length) return script;
  return withFirstFlight(script, withParts(model, kept));
}

function inOrder(all: readonly HelloPart[], some: readonly HelloPart[]): HelloPart[] {
  const wanted = new Set(some);
  return all.filter((part) => wanted.has(part));
}

const NAMES_SHOWN_MAX = 4;

function leftOutWords(candidates: readonly HelloPart[], kept: readonly HelloPart[]): string {
  if (kept.length === 0) return 'without all of its parts that can be left out';
  const has = new Set(kept);
  const gone = candidates.filter((part) => !has.has(part));
  const [said, count, names] =
    kept.length < gone.length
      ? (['with only', kept.length, kept] as const)
      : (['without', gone.length, gone] as const);
  const shown = names.slice(0, NAMES_SHOWN_MAX).map(({ name }) => name);
  const more = count > NAMES_SHOWN_MAX ? [`${count - NAMES_SHOWN_MAX} more`] : [];
  return `${said} ${[...shown, ...more].join(', ')}`;
}

/** Null when it has no more than that. */
function withFlights(script: HandshakeScript, count: number): HandshakeScript | null {
  if (script.flights.length <= count) return null;
  return { ...script, flights: script.flights.slice(0, count) };
}

function withoutResumption(script: HandshakeScript): HandshakeScript | null {
  const [first, ...others] = script.flights;
  if (first?.kind !== 'client-hello') return null;
  if (first.earlyData.length === 0 && !first.resumes) return null;
  return { ...script, flights: [{ ...first, earlyData: [], resumes: false }, ...others] };
}

function inOneWrite(script: HandshakeScript): HandshakeScript | null {
  const [first] = script.flights;
  const bytes = firstFlightOf(script);
  const isOne = first?.kind === 'finish' || (first?.writes.length ?? 0) <= 1;
  return bytes === null || isOne ? null : withFirstFlight(script, bytes);
}

function withoutRest(script: HandshakeScript): HandshakeScript | null {
  const bytes = firstFlightOf(script);
  const model = helloOf(script);
  if (bytes === null || model === null || model.rest.length === 0) return null;
  return withFirstFlight(script, bytes.subarray(0, bytes.length - model.rest.length));
}
