/** An exception of JavaScript, from the process that ends of it to the incident. */
import { inspect } from 'node:util';
import { isRecorded } from '../telemetry/requests/recorded-headers.ts';
import type { FieldLines } from '../telemetry/requests/request-recorder.ts';
import type { IncidentException } from './incident.ts';
import { defaultIncidentLimits } from './options.ts';
import { redactedText } from './redaction.ts';

/** Characters of a message, and of one field line. */
const MESSAGE_CHARACTERS_MAX = 2_000;
const FIELD_CHARACTERS_MAX = 200;
const FIELDS_MAX = 64;
const FRAMES_MAX = 16;

/** Frames that tell one exception from another: deeper ones depend on who came by. */
const SIGNATURE_FRAMES = 3;

/** All of our code is below this place, as source and as what is published. */
const OURS = new URL('../', import.meta.url).href;
const FRAME = /^\s*at (?:(.*?) \()?((?:file:|node:|\/)[^()]*?)(?::(\d+):\d+)?\)?$/;

/** `fields` are those of the request that was worked at last; null without one. */
export function describeException(error: unknown, fields: FieldLines | null): IncidentException {
  // What is thrown need not be an error, and an error need not be whole.
  const isError = error instanceof Error;
  const stack = isError && typeof error.stack === 'string' ? error.stack : inspect(error);
  return {
    type: isError ? (error.constructor.name || error.name).slice(0, 100) : typeof error,
    message: redactedText(isError ? String(error.message) : inspect(error)).slice(
      0,
      MESSAGE_CHARACTERS_MAX,
    ),
    frames: framesOf(stack),
    stack: redactedText(stack).slice(0, defaultIncidentLimits.stackCharactersMax),
    fields: fields === null ? [] : fieldLines(fields),
  };
}

function framesOf(stack: string): string[] {
  const frames: string[] = [];
  for (const line of stack.split('\n')) {
    const [, name, place = '', row] = FRAME.exec(line) ?? [];
    if (!place.startsWith(OURS)) continue;
    frames.push(`${name ?? '(top level)'} (${place.slice(OURS.length)}:${row ?? '?'})`);
    if (frames.length === FRAMES_MAX) break;
  }
  return frames;
}

function fieldLines({ names, values }: FieldLines): string[] {
  return names.slice(0, FIELDS_MAX).map((name, i) => {
    const value = values[i]!;
    const shown = isRecorded(name, value) ? value : `(${value.length} bytes)`;
    return `${name.slice(0, FIELD_CHARACTERS_MAX)}: ${shown.slice(0, FIELD_CHARACTERS_MAX)}`;
  });
}

/** Where it was thrown, without line numbers, which every edit moves; '' when it was not in our code. */
export function placeOf({ frames }: IncidentException): string {
  return frames.slice(0, SIGNATURE_FRAMES).map(withoutLine).join(' < ');
}

/** `f (proxy/exchange.ts:12)` is `f (exchange.ts)`. */
function withoutLine(frame: string): string {
  const at = frame.lastIndexOf(' (');
  const place = frame.slice(at + 2, frame.lastIndexOf(':'));
  const file = place.slice(place.lastIndexOf('/') + 1);
  return `${frame.slice(0, at)} (${file})`.replaceAll('/', ' ');
}

/** From the text that a recording has; null when there is none, or it is damaged. */
export function exceptionFrom(text: Uint8Array): IncidentException | null {
  if (text.length === 0) return null;
  try {
    const found = JSON.parse(Buffer.from(text).toString('utf8')) as Partial<IncidentException>;
    const { type, message, frames, stack, fields } = found;
    const areTexts = [type, message, stack].every((one) => typeof one === 'string');
    const areLists = [frames, fields].every(
      (list) => Array.isArray(list) && list.every((one) => typeof one === 'string'),
    );
    return areTexts && areLists ? (found as IncidentException) : null;
  } catch {
    return null;
  }
}
