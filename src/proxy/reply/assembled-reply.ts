/**
 * One response made of parts: stored ones, and ones that are asked for when their turn comes
 * (RFC 9111 §3.3, §3.4). All have the same strong validator; when the origin turns out to have
 * changed the representation meanwhile, the response is broken off, and nothing of it stays stored.
 *
 * There are two ways to it. With slices, every part begins at a multiple of their length and is
 * looked up by a key of its own. Without, stored parts are completed by what lacks between them.
 *
 * Slices also complete a response whose stored content could not be read to its end: because it is
 * damaged, or because the worker that fetched it has died. Many may be reading it: they share them.
 */
import { SluiceError } from '../../base/errors.ts';
import type { StoreHit } from '../../cache/contract.ts';
import {
  type Completion,
  isCombinable,
  lengthOf,
  type Section,
  sectionsOf,
  wholeOf,
} from '../../cache/parts.ts';
import { requestDirectives } from '../../cache/rules/cache-control.ts';
import { contentRangeValue, parseContentRange } from '../../cache/rules/content-range.ts';
import { targetOfKey } from '../../cache/rules/key.ts';
import { evaluatePreconditions, notModifiedFields } from '../../cache/rules/preconditions.ts';
import { type Piece, planRange, type Representation } from '../../cache/rules/range.ts';
import { selectStored } from '../../cache/rules/select.ts';
import { CONDITIONAL } from '../../cache/rules/validation.ts';
import { entityTagAsSent, hasStrongValidator } from '../../cache/rules/validators.ts';
import type { FieldSection } from '../../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../../http/message.ts';
import { parseRange } from '../../http/ranges.ts';
import type { CacheOutcome } from '../../telemetry/exchange-summary.ts';
import type { ProxyEnvironment } from '../environment.ts';
import { replaceOurStatus } from '../request/forwarding.ts';
import { type OpenExchange, type PartReader, PartRequest } from '../request/part-request.ts';
import { missStatus } from './miss-status.ts';
import { StoredReply } from './stored-reply.ts';

/** Parts of one response that may break off and be asked for again. */
const BROKEN_PARTS_MAX = 2;

/**
 * Parts that may be shorter than was asked for, and asked on: each costs the origin a request, which
 * its clients would have made without us.
 */
const SHORT_PARTS_MAX = 1_000;

/**
 * Slices that are looked for before an answer says that it comes from the cache. One of more slices
 * says that it comes from there in part.
 */
const SLICES_LOOKED_FOR_MAX = 256;

/** Bytes of the slices that complete a response where the route has none. */
const REST_SLICE_BYTES = 1_048_576;

export interface AssemblyOwner {
  onAssembledHead(head: ResponseHead, outcome: CacheOutcome): void;
  /** What the cache did for one of the parts. */
  onPartOutcome(outcome: CacheOutcome): void;
  onFillContent(bytes: Uint8Array): boolean;
  onFillEnd(trailers: FieldSection | null): void;
  onFailure(error: SluiceError): void;
  /** It cannot be done, and nothing has been sent: forward the request as it is. */
  onNotAssembled(): void;
}

export interface AssemblyInput {
  readonly environment: ProxyEnvironment;
  readonly head: RequestHead;
  /** The key of the whole. */
  readonly key: string;
  readonly owner: AssemblyOwner;
  readonly open: OpenExchange;
  /** Separates the parts of a multipart answer: random. */
  readonly boundary: string;
}

const partEnvironments = new WeakMap<ProxyEnvironment, ProxyEnvironment>();

/** For exchanges that ask for parts: they are not logged, and the route edits the whole. */
export function environmentForParts(environment: ProxyEnvironment): ProxyEnvironment {
  let made = partEnvironments.get(environment);
  if (made === undefined) {
    const { observer, route } = environment;
    made = {
      ...environment,
      route: { ...route, responseEdits: null },
      observer: {
        wantsText: false,
        onFinish() {},
        onOriginError: (error) => observer.onOriginError(error),
      },
    };
    partEnvironments.set(environment, made);
  }
  return made;
}

/** Whether a request is answered slice by slice: nothing whole is stored, and slices are of use. */
export function isSliced(
  environment: ProxyEnvironment,
  head: RequestHead,
  key: string,
  hits: readonly StoreHit[],
): boolean {
  const { sliceBytes, cachePolicy, hitForMissMemory, clock } = environment;
  if (sliceBytes === 0 || head.method !== 'GET' || head.contentLength !== 0) return false;
  const selected = selectStored(hits, head.fields, cachePolicy);
  if (selected !== undefined && selected.response.partial === null) return false;
  return !hitForMissMemory.has(notSlicedKey(key), clock.wallMs());
}

/** What is remembered of a key whose responses cannot be sliced. */
function notSlicedKey(key: string): string {
  return `${key}\nnot sliced`;
}

export class AssembledReply implements PartReader {
  readonly #input: AssemblyInput;
  /** Bytes of a slice; 0 when stored parts are completed. */
  readonly #sliceBytes: number;
  readonly #completion: Completion | null;
  /** What all parts must be of; known from the first. */
  #of: Representation | null;
  #sections: readonly Section[] = [];
  #next = 0;
  /** How far the missing section has been filled that is next, in the representation. */
  #at = -1;
  /** The part that is asked for now, or the first, until its turn. */
  #part: PartRequest | null = null;
  #isPartTaken = false;
  /** The slice after that one, so that the way to the origin is not waited for again and again. */
  #ahead: PartRequest | null = null;
  #stored: StoredReply | null = null;
  #begun = false;
  #isForwarding = false;
  #brokenParts = 0;
  #shortParts = 0;
  /** The slice that stands at `#at` is asked for from there: its beginning is with the client. */
  #isMidSlice = false;
  #waiting = false;
  #pumping = false;
  #over = false;

  private constructor(input: AssemblyInput, sliceBytes: number, completion: Completion | null) {
    this.#input = input;
    this.#sliceBytes = sliceBytes;
    this.#completion = completion;
    this.#of = completion?.selected ?? null;
  }

  static ofSlices(input: AssemblyInput, sliceBytes: number): AssembledReply {
    return new AssembledReply(input, sliceBytes, null);
  }

  static ofParts(input: AssemblyInput, completion: Completion): AssembledReply {
    return new AssembledReply(input, 0, completion);
  }

  /** What has not been sent, `pieces`, of a response that is `of`, and whose head has been sent. */
  static ofRest(input: AssemblyInput, of: Representation, pieces: readonly Piece[]) {
    const reply = new AssembledReply(input, input.environment.sliceBytes || REST_SLICE_BYTES, null);
    reply.#of = of;
    reply.#sections = sectionsOf(pieces, []);
    reply.#begun = true;
    return reply;
  }

  /** Whether `ofRest` can be tried: parts of it can be told from parts of another version. */
  static canComplete(response: Representation): boolean {
    const { partial, contentLength, fields } = response;
    return partial === null && contentLength !== -1 && hasStrongValidator(fields);
  }

  begin(): void {
    if (this.#begun) {
      this.#advance();
      return;
    }
    if (this.#completion === null) {
      const start = sliceStart(this.#input.head.fields, this.#sliceBytes);
      this.#ask(start, this.#sliceEnd(start));
      return;
    }
    const { sections } = this.#completion;
    const gap = this.#firstGap();
    if (gap === undefined) {
      // All is stored, and the head has been sent.
      this.#begun = true;
      this.#sections = sections;
      this.#advance();
    } else {
      // What the origin says to the first gap is what the head is made of.
      this.#ask(gap.start, gap.end);
    }
  }

  /** The client can take more. */
  pump(): void {
    this.#waiting = false;
    if (this.#part !== null && this.#isPartTaken) this.#part.pump();
    else if (this.#stored !== null) this.#stored.pump();
    else if (this.#begun) this.#advance();
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#part?.cancel();
    this.#ahead?.cancel();
    this.#stored?.cancel();
  }

  // ------------------------------------------------------------------ parts

  /** Asks for the slice that begins at `start`, or for what lacks from there to `end`. */
  #ask(start: number, end: number): void {
    this.#part = this.#partAt(start, end);
    this.#isPartTaken = false;
    this.#part.begin();
  }

  #askAhead(start: number): void {
    this.#ahead = this.#partAt(start, this.#sliceEnd(start));
    this.#ahead.begin();
  }

  /** Not beyond the end that is known: some origins answer 416 to that. */
  #sliceEnd(start: number): number {
    const length = this.#of === null ? -1 : lengthOf(this.#of);
    const end = start + this.#sliceBytes;
    return length > start ? Math.min(end, length) : end;
  }

  #partAt(start: number, end: number): PartRequest {
    const { head, key, open } = this.#input;
    const of = this.#of;
    const isSlice = this.#sliceBytes > 0 && start % this.#sliceBytes === 0;
    const fields = partFields(head.fields);
    // The rest without its end: so it is asked for as a client would.
    const isRest = this.#sliceBytes === 0 && of !== null && end === lengthOf(of);
    fields.append('range', `bytes=${start}-${isRest ? '' : end - 1}`);
    if (!isSlice && of !== null) fields.append('if-range', validatorOf(of));
    const partHead = { ...head, fields };
    const task = { kind: isSlice ? 'slice' : 'gap', wholeKey: key, of } as const;
    const partKey = isSlice ? this.#sliceKey(start) : key;
    return new PartRequest(open, partHead, partKey, start, task, this);
  }

  #sliceKey(start: number): string {
    return `${this.#input.key}\nslice ${this.#sliceBytes} ${start}`;
  }

  onPartHead(part: PartRequest, head: ResponseHead): void {
    if (this.#over || (part !== this.#part && part !== this.#ahead)) return;
    this.#input.owner.onPartOutcome(part.outcome);
    if (!this.#begun) this.#begin(part, head);
    else if (!this.#isOfSame(part, head)) this.#breakOff(part, head);
  }

  /** Whether the head is of the bytes asked for, of the representation that all parts are of. */
  #isOfSame(part: PartRequest, head: ResponseHead): boolean {
    const representation = representationOf(head);
    if (representation?.partial?.first !== part.first) return false;
    return this.#of === null || isCombinable(representation, this.#of);
  }

  #begin(part: PartRequest, head: ResponseHead): void {
    const representation = representationOf(head);
    if (this.#isOfSame(part, head) && this.#canBeWhole(representation!, part)) {
      this.#answer(part, representation!);
    } else if (this.#mayForward(head)) {
      this.#begun = true;
      this.#isForwarding = true;
      this.#isPartTaken = true;
      this.#input.owner.onAssembledHead(head, part.outcome);
      part.take(0, Number.POSITIVE_INFINITY);
    } else {
      this.#giveUp(part, head.status);
    }
  }

  /** The first slice tells what all are of; without a strong validator they cannot be combined. */
  #canBeWhole(representation: Representation, part: PartRequest): boolean {
    const { partial, fields } = representation;
    if (this.#sliceBytes === 0) return !this.#isTooShort(representation);
    const { completeLength, last } = partial!;
    const end = Math.min(part.first + this.#sliceBytes, completeLength);
    return completeLength !== -1 && last === end - 1 && hasStrongValidator(fields);
  }

  /**
   * An origin that gives less of a range than it is asked for gives all of it to who asks without
   * one. Only a client that asked for one range gets what there is of it (RFC 9110 §15.3.7).
   */
  #isTooShort(representation: Representation): boolean {
    if (!this.#isShort(representation)) return false;
    const { answer, sections } = this.#completion!;
    return answer.status !== 206 || sections.some(({ kind }) => kind === 'made');
  }

  /** The first gap has not been filled to its end. */
  #isShort({ partial }: Representation): boolean {
    const gap = this.#firstGap();
    return gap !== undefined && partial!.last + 1 < gap.end;
  }

  #firstGap(): (Section & { readonly kind: 'missing' }) | undefined {
    return this.#completion?.sections.find((section) => section.kind === 'missing');
  }

  /** An answer to the part that answers the client as well: the whole, a redirection, an error. */
  #mayForward({ status }: ResponseHead): boolean {
    return status !== 206 && status !== 304 && status !== 412 && status !== 416;
  }

  #giveUp(part: PartRequest, status: number): void {
    this.#over = true;
    part.cancel();
    // A range of nothing, or beyond the end, says nothing of slices.
    if (this.#sliceBytes > 0 && (status !== 416 || part.first === 0)) this.#remember(status);
    this.#input.owner.onNotAssembled();
  }

  /** That slices of it are of no use. */
  #remember(status: number): void {
    const { environment, key } = this.#input;
    const nowMs = environment.clock.wallMs();
    environment.hitForMissMemory.remember(
      notSlicedKey(key),
      'partial-not-combinable',
      status,
      nowMs,
    );
  }

  // ------------------------------------------------------------------ answer

  #answer(part: PartRequest, representation: Representation): void {
    const { head, environment, boundary } = this.#input;
    const nowMs = environment.clock.wallMs();
    const whole = this.#merged(representation);
    this.#of = representation;
    const precondition = evaluatePreconditions(head.fields, whole, nowMs);
    if (precondition === 'forward') {
      this.#giveUp(part, 416);
      return;
    }
    this.#begun = true;
    if (this.#sliceBytes > 0 && part.isRefused) this.#remember(representation.status);
    if (precondition === 'not-modified') {
      const fields = notModifiedFields(whole.fields);
      this.#end(part, { status: 304, fields, contentLength: 0 });
      return;
    }
    const plan = planRange(head.fields, whole, nowMs, boundary);
    const { contentLength } = whole;
    let pieces: readonly Piece[] = [{ start: 0, end: contentLength }];
    let answer: ResponseHead = { status: 200, fields: whole.fields, contentLength };
    if (plan.kind === 'part' || plan.kind === 'unsatisfiable') {
      pieces = plan.pieces;
      answer = plan;
    }
    if (answer.status === 416) {
      this.#end(part, { status: 416, fields: answer.fields, contentLength: 0 });
      return;
    }
    this.#sections = this.#completion?.sections ?? sectionsOf(pieces, []);
    if (this.#isShort(representation)) answer = this.#shortened(answer, representation);
    const { status, fields } = answer;
    this.#send({ status, fields, contentLength: answer.contentLength }, part);
  }

  /** The answer to one range, up to where the first gap was filled. */
  #shortened({ fields }: ResponseHead, { partial }: Representation): ResponseHead {
    const gap = this.#firstGap()!;
    const { last, completeLength } = partial!;
    const kept = this.#sections.slice(0, this.#sections.indexOf(gap));
    this.#sections = [...kept, { ...gap, end: last + 1 }];
    const first = gap.start - kept.reduce((sum, section) => sum + lengthOfSection(section), 0);
    fields.set('content-range', contentRangeValue(first, last, completeLength));
    return { status: 206, fields, contentLength: last + 1 - first };
  }

  /** Says what the cache does for the answer, which the first part of it alone does not tell. */
  #send(head: ResponseHead, part: PartRequest): void {
    const { owner } = this.#input;
    const { outcome } = part;
    const mayBeHit = this.#sliceBytes > 0 && (outcome === 'hit' || outcome === 'stale');
    const starts = mayBeHit ? this.#otherSlices(part.first) : [];
    this.#haveSlices(starts, (haveAll) => {
      if (this.#over) return;
      if (!haveAll && this.#isOnlyFromCache()) {
        this.#giveUp(part, 416);
        return;
      }
      if (!haveAll) replaceOurStatus(head.fields, missStatus('partial', 'not-asked'));
      owner.onAssembledHead(head, haveAll ? outcome : 'miss');
      this.#advance();
    });
  }

  #isOnlyFromCache(): boolean {
    const { head, environment } = this.#input;
    const isAsked = requestDirectives(head.fields).onlyIfCached;
    return isAsked && environment.cachePolicy.honourRequestDirectives;
  }

  /** Where the slices begin that the answer is made of, but for one. */
  #otherSlices(first: number): number[] {
    const size = this.#sliceBytes;
    const starts = new Set<number>();
    for (const section of this.#sections) {
      if (section.kind !== 'missing') continue;
      const { start, end } = section;
      for (let at = Math.floor(start / size) * size; at < end; at += size) {
        if (starts.size > SLICES_LOOKED_FOR_MAX) break;
        if (at !== first) starts.add(at);
      }
    }
    return [...starts];
  }

  /** Whether slices are stored that can be combined with what there is. Calls back once. */
  #haveSlices(starts: readonly number[], callback: (haveAll: boolean) => void): void {
    if (starts.length > SLICES_LOOKED_FOR_MAX) {
      callback(false);
      return;
    }
    const { environment, head } = this.#input;
    const request = partFields(head.fields);
    let pending = starts.length;
    let haveAll = true;
    if (pending === 0) callback(true);
    for (const start of starts) {
      environment.store.lookup(this.#sliceKey(start), (hits) => {
        const response = selectStored(hits, request, environment.cachePolicy)?.response;
        const last = response?.partial?.last ?? -1;
        if (last + 1 < this.#sliceEnd(start) || !isCombinable(response!, this.#of!))
          haveAll = false;
        if (--pending === 0) callback(haveAll);
      });
    }
  }

  #end(part: PartRequest, head: ResponseHead): void {
    const { owner } = this.#input;
    this.#over = true;
    const { outcome } = part;
    part.cancel();
    owner.onAssembledHead(head, outcome);
    owner.onFillEnd(null);
  }

  /** RFC 9111 §3.4: the fields of the new response, and what only the stored one has. */
  #merged(fresh: Representation): Representation {
    const whole = wholeOf(fresh);
    if (this.#completion === null) return whole;
    const stored = wholeOf(this.#completion.selected).fields;
    for (let i = 0; i < stored.length; i++) {
      const name = stored.names[i]!;
      if (!fresh.fields.has(name)) whole.fields.append(name, stored.values[i]!);
    }
    return whole;
  }

  #advance(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (!this.#over && !this.#waiting && !this.#isPartTaken && this.#stored === null) {
      const section = this.#sections[this.#next];
      if (section === undefined) {
        this.#over = true;
        this.#part?.cancel();
        this.#input.owner.onFillEnd(null);
      } else if (section.kind === 'missing') {
        this.#advancePart(section.start, section.end);
      } else {
        this.#next++;
        if (section.kind === 'stored') this.#sendStored(section);
        else this.#waiting = !this.#input.owner.onFillContent(section.bytes);
      }
    }
    this.#pumping = false;
  }

  #sendStored({ hit, start, end }: Section & { readonly kind: 'stored' }): void {
    const { owner } = this.#input;
    const sender = { sendContent: (bytes: Uint8Array) => owner.onFillContent(bytes) };
    this.#stored = new StoredReply(hit, [{ start, end }], sender, (error) => {
      this.#stored = null;
      if (error === null) this.#advance();
      else this.#fail(incomplete(error.message));
    });
    this.#stored.pump();
  }

  /** Goes on with a missing section: with the part that begins where it stands. */
  #advancePart(start: number, end: number): void {
    const at = this.#at === -1 ? start : this.#at;
    if (at >= end) {
      this.#at = -1;
      this.#next++;
      return;
    }
    const size = this.#sliceBytes;
    const sliceStart = size === 0 ? at : Math.floor(at / size) * size;
    const partStart = this.#isMidSlice ? at : sliceStart;
    const partEnd = size === 0 ? end : Math.min(sliceStart + size, end);
    if (this.#part?.first !== partStart) {
      this.#part?.cancel();
      if (this.#ahead?.first === partStart) this.#takeAhead();
      else this.#ask(partStart, size === 0 ? end : this.#sliceEnd(sliceStart));
    }
    const isAheadOf = size > 0 && partEnd < end && this.#ahead?.first !== partEnd;
    if (isAheadOf && !this.#over) this.#askAhead(partEnd);
    if (this.#over) return;
    this.#at = partEnd;
    this.#isMidSlice = false;
    this.#isPartTaken = true;
    this.#part!.take(at - partStart, partEnd - at);
  }

  #takeAhead(): void {
    this.#part = this.#ahead;
    this.#ahead = null;
  }

  // ------------------------------------------------------------------ content of the part

  onPartContent(bytes: Uint8Array): boolean {
    if (this.#over) return true;
    return this.#input.owner.onFillContent(bytes);
  }

  onPartEnd(trailers: FieldSection | null): void {
    if (this.#over) return;
    this.#part = null;
    this.#isPartTaken = false;
    if (this.#isForwarding) {
      this.#over = true;
      this.#input.owner.onFillEnd(trailers);
    } else {
      this.#advance();
    }
  }

  /** A part broke off: who fetched it has died, say. What lacks of it is asked for again. */
  onPartError(error: SluiceError): void {
    if (this.#part === null || this.#isForwarding || ++this.#brokenParts > BROKEN_PARTS_MAX) {
      this.#fail(error);
    } else {
      this.#goOnFrom(this.#at - this.#part.left);
    }
  }

  onPartShort(): void {
    if (this.#part === null || ++this.#shortParts > SHORT_PARTS_MAX) {
      this.#fail(incomplete('the origin sends less and less of the requested range'));
      return;
    }
    this.#isMidSlice = this.#sliceBytes > 0;
    this.#goOnFrom(this.#at - this.#part.left);
  }

  #goOnFrom(at: number): void {
    this.#at = at;
    this.#part = null;
    this.#isPartTaken = false;
    // Not before all have heard that it broke off: who asks at once joins the same fetch.
    setImmediate(() => this.#advance());
  }

  /** In the middle of the answer the origin has another representation, or none. */
  #breakOff(part: PartRequest, { status }: ResponseHead): void {
    const { environment, key } = this.#input;
    part.cancel();
    if (!isPassing(status)) {
      // What is stored is of different versions, or of what is no more; the next request begins anew.
      const target = targetOfKey(key);
      environment.store.invalidate(target);
      environment.collapse.invalidate(target);
      if (status !== 206 && status !== 200 && this.#sliceBytes > 0) this.#remember(status);
    }
    this.#fail(incomplete(`the origin answered ${status}, not with a part of the same`));
  }

  #fail(error: SluiceError): void {
    if (this.#over) return;
    this.cancel();
    this.#input.owner.onFailure(error);
  }
}

/** Statuses that speak of the moment, and not of the resource. */
function isPassing(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}

function lengthOfSection(section: Section): number {
  return section.kind === 'made' ? section.bytes.length : section.end - section.start;
}

/** Where the slice begins that has the first byte asked for. */
function sliceStart(request: FieldSection, size: number): number {
  const value = request.combined('range');
  // With If-Range, all may be wanted; what a suffix means depends on the length.
  if (value === undefined || request.count('range') > 1 || request.has('if-range')) return 0;
  const [spec] = parseRange(value) ?? [];
  if (spec === undefined || 'suffix' in spec) return 0;
  return Math.floor(spec.first / size) * size;
}

/** The client's fields without its range and conditions: those are judged here. */
function partFields(request: FieldSection): FieldSection {
  const fields = request.clone();
  for (const name of CONDITIONAL) fields.remove(name);
  fields.remove('range');
  return fields;
}

/** What a 206 with one part tells of its representation. */
function representationOf({ status, fields, contentLength }: ResponseHead): Representation | null {
  if (status !== 206) return null;
  const partial = parseContentRange(fields);
  return partial === null ? null : { status, fields, partial, contentLength, responseTimeMs: 0 };
}

function validatorOf({ fields }: Representation): string {
  return entityTagAsSent(fields) ?? fields.first('last-modified') ?? '';
}

function incomplete(message: string): SluiceError {
  return new SluiceError('response-incomplete', message, { blame: 'upstream' });
}
