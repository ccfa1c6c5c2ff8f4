/** Changes of headers and cookies, and when they are made. */
import type { Captures } from '../../routing/captures.ts';
import { compileEdits } from '../../routing/field-edits.ts';
import {
  alwaysEdit,
  type EditCondition,
  type EditStep,
  type FieldEdits,
} from '../../routing/route.ts';
import type { RoutesEntry } from '../schema/routes.ts';
import type { CompileContext } from './context.ts';
import { compileMatch, valuesOf } from './route-match.ts';

type ResponseEntry = NonNullable<RoutesEntry[number]['response-headers']>;
type StepEntry = Extract<ResponseEntry, { readonly when?: unknown }>;
type WhenEntry = NonNullable<StepEntry['when']>;
type LinesEntry = Pick<StepEntry, 'remove' | 'set' | 'add' | 'cookies'>;

/** `captures`: of the route's patterns. */
export function compileEditSteps(
  entry: ResponseEntry | undefined,
  message: 'request' | 'response',
  captures: Captures,
  context: CompileContext,
): EditStep[] {
  if (entry === undefined) return [];
  if (!Array.isArray(entry)) return [stepOf(entry as StepEntry, message, captures, context)];
  return entry.map((one, i) => stepOf(one, message, captures, context.below(i)));
}

function stepOf(
  entry: StepEntry,
  message: 'request' | 'response',
  captures: Captures,
  context: CompileContext,
): EditStep {
  const { when, else: otherwise } = entry;
  if (otherwise !== undefined && when === undefined) {
    context.refuse(['else'], 'there is no when that it could be for', 'add when: {status: [5xx]}');
  }
  const step: EditStep = {
    when: when === undefined ? null : conditionOf(when, context.below('when')),
    edits: linesOf(entry),
    otherwise: otherwise === undefined ? null : linesOf(otherwise),
  };
  const parts = [
    [step.edits, context],
    [step.otherwise, context.below('else')],
  ] as const;
  for (const [edits, place] of parts) {
    if (edits === null) continue;
    try {
      compileEdits([alwaysEdit(edits)], message, captures);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      place.refuse([], error.message, 'change or remove it');
    }
  }
  return step;
}

function linesOf({ remove, set, add, cookies = {} }: LinesEntry): FieldEdits {
  return {
    remove: remove ?? [],
    set: set ?? {},
    add: add ?? {},
    removeCookies: cookies.remove ?? [],
    setCookies: cookies.set ?? {},
  };
}

function conditionOf(entry: WhenEntry, context: CompileContext): EditCondition {
  if (Object.keys(entry).length === 0) {
    context.refuse([], 'no condition', 'leave it out for always');
  }
  const { match, status, hours } = entry;
  return {
    match: match === undefined ? null : compileMatch(match, context.below('match')),
    statuses: status ?? [],
    responseHeaders: valuesOf(entry['response-headers'] ?? {}, context.below('response-headers')),
    share: entry.share ?? null,
    hours: hours === undefined ? null : minutesOf(hours),
  };
}

function minutesOf(text: string): readonly [number, number] {
  const [, fromHour, fromMinute, toHour, toMinute] = /^(..):(..)-(..):(..)$/
    .exec(text)!
    .map(Number);
  return [fromHour! * 60 + fromMinute!, toHour! * 60 + toMinute!];
}
