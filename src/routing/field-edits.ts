/** Changes of request and response fields that a route asks for. */
import { systemClock } from '../base/clock.ts';
import type { FieldSection } from '../http/field-section.ts';
import { isFieldValue, isToken } from '../http/made-text.ts';
import { type Captures, NO_CAPTURES } from './captures.ts';
import type { RoutingFacts } from './request-test.ts';
import { isOfTarget } from './request-test.ts';
import type { EditCondition, EditStep, FieldEdits } from './route.ts';
import { compileMatchTest } from './router.ts';
import { compileTextMatch } from './text-match.ts';
import { compileTemplate, type Template, type VariableSource } from './variables.ts';

/**
 * Fields that are about one connection or about where a message ends (RFC 9110 §7.6.1, §8.6), or
 * that others of sluice's options answer for.
 */
const PROTECTED = [
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** Host is `rewrite: {host}`; Early-Data tells the origin of a danger (RFC 8470 §5.1). */
const PROTECTED_IN_REQUESTS = new Set([...PROTECTED, 'early-data', 'expect', 'host']);
/** What content there is, and how old it is, is not the operator's to say. */
const PROTECTED_IN_RESPONSES = new Set([...PROTECTED, 'age', 'content-encoding', 'content-range']);

/** Without obs-text: what is written in a file is UTF-8, and fields are not. */
const isWritable = (value: string) => isFieldValue(value) && !/[^\t\x20-\x7e]/.test(value);

/** What conditions by chance and time are asked of. */
export interface EditMeans {
  readonly wallMs: () => number;
  /** 0 to below 1. */
  readonly random: () => number;
}

const SYSTEM: EditMeans = { wallMs: systemClock.wallMs, random: Math.random };

interface CompiledStep {
  readonly when: EditTest | null;
  readonly edits: CompiledLines;
  readonly otherwise: CompiledLines | null;
}

export class CompiledEdits {
  readonly #steps: readonly CompiledStep[];
  /** Two requests of one target may get different values, so that what is made is made for each. */
  readonly isPerRequest: boolean;

  /** Throws SyntaxError, with words for the one who wrote the edits. */
  constructor(
    steps: readonly EditStep[],
    message: Message,
    captures: Captures,
    means: EditMeans = SYSTEM,
  ) {
    this.#steps = steps.map(({ when, edits, otherwise }) => ({
      when: when === null ? null : compileCondition(when, means),
      edits: new CompiledLines(edits, message, captures),
      otherwise: otherwise === null ? null : new CompiledLines(otherwise, message, captures),
    }));
    this.isPerRequest =
      steps.some(({ when }) => when !== null && isOfRequest(when)) ||
      this.#steps.some((step) => step.edits.isPerRequest || step.otherwise?.isPerRequest);
  }

  /** What the message has of these is ours to say. */
  get names(): readonly string[] {
    return this.#steps.flatMap(({ edits, otherwise }) => {
      return [...edits.names, ...(otherwise?.names ?? [])];
    });
  }

  apply(fields: FieldSection, source: VariableSource): void {
    for (const { when, edits, otherwise } of this.#steps) {
      if (when === null || when(fields, source)) edits.apply(fields, source);
      else otherwise?.apply(fields, source);
    }
  }
}

type Message = 'request' | 'response';
type Line = readonly [name: string, value: Template];

class CompiledLines {
  readonly #message: Message;
  readonly #removed: readonly string[];
  readonly #set: readonly Line[];
  readonly #added: readonly Line[];
  readonly #removedCookies: readonly string[];
  readonly #cookies: readonly Line[];
  #isPerRequest = false;

  constructor(edits: FieldEdits, message: Message, captures: Captures) {
    const templateOf = (name: string, value: string): Template => {
      // The value may be a secret.
      if (!isWritable(value)) throw new SyntaxError(`no value of a field: that of ${name}`);
      try {
        return compileTemplate(value, 'target', { captures });
      } catch {
        this.#isPerRequest = true;
        return compileTemplate(value, 'request', { captures });
      }
    };
    const lines = (values: FieldEdits['set']) =>
      Object.entries(values).map(([name, value]) => {
        return [editableName(name, message), templateOf(name, value)] as const;
      });
    this.#message = message;
    this.#removed = edits.remove.map((name) => editableName(name, message));
    this.#set = lines(edits.set);
    this.#added = lines(edits.add);
    this.#removedCookies = edits.removeCookies.map(cookieName);
    this.#cookies = Object.entries(edits.setCookies).map(([name, value]) => {
      return [cookieName(name), templateOf(name, value)] as const;
    });
  }

  get isPerRequest(): boolean {
    return this.#isPerRequest;
  }

  get names(): readonly string[] {
    const lines = [...this.#set, ...this.#added];
    const hasCookies = this.#removedCookies.length + this.#cookies.length > 0;
    const ofCookies = hasCookies ? [this.#message === 'request' ? 'cookie' : 'set-cookie'] : [];
    return [...this.#removed, ...lines.map(([name]) => name), ...ofCookies];
  }

  apply(fields: FieldSection, source: VariableSource): void {
    for (const name of this.#removed) fields.remove(name);
    for (const [name, value] of this.#set) {
      const text = madeValue(value, source);
      if (text === '') fields.remove(name);
      else fields.set(name, text);
    }
    for (const [name, value] of this.#added) {
      const text = madeValue(value, source);
      if (text !== '') fields.append(name, text);
    }
    if (this.#removedCookies.length + this.#cookies.length === 0) return;
    const cookies = this.#cookies.map(([name, value]) => [name, madeValue(value, source)] as const);
    if (this.#message === 'request') editCookies(fields, this.#removedCookies, cookies);
    else editSetCookies(fields, this.#removedCookies, cookies);
  }
}

type Cookies = readonly (readonly [name: string, value: string])[];

/** One line, whatever there was: RFC 6265 §5.4 knows no more, and HTTP/2's are joined for others. */
function editCookies(fields: FieldSection, removed: readonly string[], set: Cookies): void {
  const gone = new Set([...removed, ...set.map(([name]) => name)]);
  const kept = fields
    .all('cookie')
    .flatMap((line) => line.split(';'))
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '' && !gone.has(pair.split('=', 1)[0]!.trim()));
  for (const [name, value] of set) if (value !== '') kept.push(`${name}=${value}`);
  if (kept.length === 0) fields.remove('cookie');
  else fields.set('cookie', kept.join('; '));
}

/** A line for each (RFC 6265 §3). */
function editSetCookies(fields: FieldSection, removed: readonly string[], set: Cookies): void {
  const gone = new Set([...removed, ...set.map(([name]) => name)]);
  const kept = fields.all('set-cookie').filter((line) => !gone.has(line.split('=', 1)[0]!.trim()));
  fields.remove('set-cookie');
  for (const line of kept) fields.append('set-cookie', line);
  for (const [name, value] of set) {
    if (value !== '') fields.append('set-cookie', `${name}=${value}`);
  }
}

function cookieName(name: string): string {
  if (!isToken(name)) throw new SyntaxError(`no name of a cookie: ${name}`);
  return name;
}

/**
 * '' for a value that nobody knows, for a field that says nothing misleads, and for what variables
 * have made to be none.
 */
function madeValue(template: Template, source: VariableSource): string {
  const text = template(source).trim();
  return isFieldValue(text) ? text : '';
}

/** Null when there is nothing to change. */
export function compileEdits(
  steps: readonly EditStep[],
  message: Message,
  captures: Captures = NO_CAPTURES,
  means: EditMeans = SYSTEM,
): CompiledEdits | null {
  const some = steps.filter(({ edits, otherwise }) => {
    return hasEdits(edits) || (otherwise !== null && hasEdits(otherwise));
  });
  return some.length === 0 ? null : new CompiledEdits(some, message, captures, means);
}

function hasEdits({ remove, set, add, removeCookies, setCookies }: FieldEdits): boolean {
  const maps = { ...set, ...add, ...setCookies };
  return remove.length + removeCookies.length + Object.keys(maps).length > 0;
}

// ------------------------------------------------------------------ conditions

type EditTest = (fields: FieldSection, source: VariableSource) => boolean;

/** What sluice asks on its own account is nobody's. */
const NOBODY: RoutingFacts = { remoteAddress: '', localPort: 0, tls: null };

function compileCondition(condition: EditCondition, { wallMs, random }: EditMeans): EditTest {
  const { match, statuses, responseHeaders, share, hours } = condition;
  const tests: EditTest[] = [];
  if (statuses.length > 0) {
    tests.push((_fields, { status = 0 }) => {
      return (
        statuses.includes(String(status)) || statuses.includes(`${Math.floor(status / 100)}xx`)
      );
    });
  }
  if (match !== null) {
    const test = compileMatchTest(match);
    tests.push((_fields, { head, facts }) => test(head, facts ?? NOBODY));
  }
  for (const [name, value] of Object.entries(responseHeaders)) {
    const [wanted, test] = [name.toLowerCase(), compileTextMatch(value)];
    tests.push((fields) => {
      const found = fields.combined(wanted);
      return found !== undefined && test(found);
    });
  }
  if (hours !== null) tests.push(() => isWithin(hours, minuteOfDay(wallMs())));
  // Last: chance is asked where all else holds.
  if (share !== null) tests.push(() => random() < share);
  return (fields, source) => tests.every((test) => test(fields, source));
}

/** Whether requests of one target, or the same one at another time, can meet it differently. */
function isOfRequest({ match, share, hours }: EditCondition): boolean {
  return share !== null || hours !== null || (match !== null && !isOfTarget(match));
}

const DAY_MINUTES = 1_440;

function minuteOfDay(wallMs: number): number {
  return Math.floor(wallMs / 60_000) % DAY_MINUTES;
}

/** Over midnight, when the end comes before the beginning. */
function isWithin([from, to]: readonly [number, number], minute: number): boolean {
  return from <= to ? minute >= from && minute < to : minute >= from || minute < to;
}

/** Whether sluice answers for a field, so that it is nobody else's to say. `name`: in lower case. */
export function isProtectedField(name: string, message: 'request' | 'response'): boolean {
  return (message === 'request' ? PROTECTED_IN_REQUESTS : PROTECTED_IN_RESPONSES).has(name);
}

/** In lower case. Throws SyntaxError for what is no name, or not the operator's to say. */
export function editableName(text: string, message: 'request' | 'response'): string {
  const name = text.toLowerCase();
  if (!isToken(name)) throw new SyntaxError(`no name of a field: ${text}`);
  if (isProtectedField(name, message)) {
    const remedy = message === 'request' && name === 'host' ? '; write rewrite: {host: …}' : '';
    throw new SyntaxError(`${text} is not to be edited: sluice answers for it${remedy}`);
  }
  return name;
}
