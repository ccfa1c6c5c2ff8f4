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
import { assert } from '../../base/assert.ts';
import type { SluiceError } from '../../base/errors.ts';
import {
  type Completion,
  isCombinable,
  lengthOf,
  type Section,
  sectionsOf,
} from '../../cache/parts.ts';
import { requestDirectives } from '../../cache/rules/cache-control.ts';
import { targetOfKey } from '../../cache/rules/key.ts';
import type { Piece, Representation } from '../../cache/rules/range.ts';
import { hasStrongValidator } from '../../cache/rules/validators.ts';
import type { FieldSection } from '../../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../../http/message.ts';
import type { CacheOutcome } from '../../telemetry/exchange-summary.ts';
import type { ProxyEnvironment } from '../environment.ts';
import { replaceOurStatus } from '../request/forwarding.ts';
import {
  brokenOff,
  type OpenExchange,
  type PartReader,
  PartRequest,
} from '../request/part-request.ts';
import {
  assembledHead,
  canLead,
  firstGap,
  isPassing,
  isTooShort,
  representationOf,
  validatorOf,
} from './assembled-head.ts';
import { missStatus } from './miss-status.ts';
import {
  lookForSlices,
  otherSlices,
  partFields,
  rememberNotSliced,
  sliceEnd,
  sliceKey,
  sliceStart,
} from './slices.ts';
import { StoredReply } from './stored-reply.ts';

/** Parts of one response that may break off and be requested again. */
const BROKEN_PARTS_MAX = 2;

/**
 * Parts that may be shorter than requested, so that their rest is requested as well: each costs
 * the origin a request, which its clients would have made without sluice.
 */
const SHORT_PARTS_MAX = 1_000;

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

/**
 * What the client is given.
 *
 * - `asked`: nothing yet; the head of the first part will tell what the answer is.
 * - `judged`: it has told, and the other slices are looked for, so that the head can say whether the
 *   answer comes from the cache.
 * - `next`: nothing now. The next section is due, or what lacks of one that broke off.
 * - `part`: of the part whose turn has come. `stored`: of a stored response.
 * - `waiting`: nothing, until it can take more.
 * - `forwarding`: what the origin answered to the first part, as it is, for that answers the client.
 */
type State =
  | 'asked'
  | 'judged'
  | 'next'
  | 'part'
  | 'stored'
  | 'waiting'
  | 'forwarding'
  /** All of it, or no more. */
  | 'over';

/** What may follow what. */
const NEXT: Readonly<Record<State, readonly State[]>> = {
  asked: ['judged', 'next', 'forwarding', 'over'],
  judged: ['next', 'over'],
  next: ['part', 'stored', 'waiting', 'over'],
  part: ['next', 'waiting', 'over'],
  stored: ['next', 'over'],
  waiting: ['next', 'over'],
  forwarding: ['over'],
  over: [],
};

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
  #state: State = 'asked';
  /** The part that is asked for now, or the first, until its turn. */
  #part: PartRequest | null = null;
  /** The slice after that one, so that the way to the origin is not waited for again and again. */
  #ahead: PartRequest | null = null;
  #stored: StoredReply | null = null;
  #brokenParts = 0;
  #shortParts = 0;
  /** The slice that stands at `#at` is asked for from there: its beginning is with the client. */
  #isMidSlice = false;
  /** Sections are being gone through. */
  #isAdvancing = false;

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
    reply.#enter('next');
    return reply;
  }

  /** Whether `ofRest` can be tried: parts of it can be told from parts of another version. */
  static canComplete(response: Representation): boolean {
    const { partial, contentLength, fields } = response;
    return partial === null && contentLength !== -1 && hasStrongValidator(fields);
  }

  begin(): void {
    if (this.#state === 'next') {
      this.#advance();
      return;
    }
    if (this.#completion === null) {
      const start = sliceStart(this.#input.head.fields, this.#sliceBytes);
      this.#ask(start, this.#sliceEnd(start));
      return;
    }
    const gap = firstGap(this.#completion);
    if (gap === undefined) {
      // All is stored, and the head has been sent.
      this.#sections = this.#completion.sections;
      this.#goOn();
    } else {
      // What the origin says to the first gap is what the head is made of.
      this.#ask(gap.start, gap.end);
    }
  }

  /** The client can take more. */
  pump(): void {
    if (this.#state === 'part' || this.#state === 'forwarding') this.#part!.pump();
    else if (this.#state === 'stored') this.#stored!.pump();
    else if (this.#state === 'waiting') this.#enter('next');
    this.#advance();
  }

  cancel(): void {
    if (this.#state === 'over') return;
    this.#enter('over');
    this.#part?.cancel();
    this.#ahead?.cancel();
    this.#stored?.cancel();
  }

  get #isOver(): boolean {
    return this.#state === 'over';
  }

  #enter(state: State): void {
    assert(NEXT[this.#state].includes(state), `a reply in parts: ${this.#state}, ${state}`);
    this.#state = state;
  }

  // ------------------------------------------------------------------ parts

  /** Asks for the slice that begins at `start`, or for what lacks from there to `end`. */
  #ask(start: number, end: number): void {
    this.#part = this.#partAt(start, end);
    this.#part.begin();
  }

  #sliceEnd(start: number): number {
    return sliceEnd(start, this.#sliceBytes, this.#of);
  }

  #partAt(start: number, end: number): PartRequest {
    const { head, key, open } = this.#input;
    const of = this.#of;
    const size = this.#sliceBytes;
    const isSlice = size > 0 && start % size === 0;
    const fields = partFields(head.fields);
    // The rest without its end: so it is asked for as a client would.
    const isRest = size === 0 && of !== null && end === lengthOf(of);
    fields.append('range', `bytes=${start}-${isRest ? '' : end - 1}`);
    if (!isSlice && of !== null) fields.append('if-range', validatorOf(of));
    return new PartRequest({
      open,
      head: { ...head, fields },
      key: isSlice ? sliceKey(key, size, start) : key,
      first: start,
      task: { kind: isSlice ? 'slice' : 'gap', wholeKey: key, of },
      reader: this,
    });
  }

  onPartHead(part: PartRequest, head: ResponseHead): void {
    if (this.#isOver || (part !== this.#part && part !== this.#ahead)) return;
    this.#input.owner.onPartOutcome(part.outcome);
    if (this.#state === 'asked') this.#judge(part, head);
    else if (!this.#isOfSame(part, head)) this.#breakOff(part, head);
  }

  /** Whether the head is of the bytes asked for, of the representation that all parts are of. */
  #isOfSame(part: PartRequest, head: ResponseHead): boolean {
    const representation = representationOf(head);
    if (representation?.partial?.first !== part.first) return false;
    return this.#of === null || isCombinable(representation, this.#of);
  }

  #judge(part: PartRequest, head: ResponseHead): void {
    const representation = representationOf(head);
    if (this.#isOfSame(part, head) && this.#canBeWhole(representation!, part)) {
      this.#answer(part, representation!);
    } else if (this.#mayForward(head)) {
      this.#enter('forwarding');
      this.#input.owner.onAssembledHead(head, part.outcome);
      part.take(0, Number.POSITIVE_INFINITY);
    } else {
      this.#giveUp(part, head.status);
    }
  }

  #canBeWhole(representation: Representation, part: PartRequest): boolean {
    return this.#completion === null
      ? canLead(representation, part.first, this.#sliceBytes)
      : !isTooShort(representation, this.#completion);
  }

  /** An answer to the part that answers the client as well: the whole, a redirection, an error. */
  #mayForward({ status }: ResponseHead): boolean {
    return status !== 206 && status !== 304 && status !== 412 && status !== 416;
  }

  #giveUp(part: PartRequest, status: number): void {
    this.#enter('over');
    part.cancel();
    // A range of nothing, or beyond the end, says nothing of slices.
    const { environment, key, owner } = this.#input;
    const mayTell = status !== 416 || part.first === 0;
    if (this.#sliceBytes > 0 && mayTell) rememberNotSliced(environment, key, status);
    owner.onNotAssembled();
  }

  // ------------------------------------------------------------------ answer

  #answer(part: PartRequest, representation: Representation): void {
    const { head, key, environment, boundary } = this.#input;
    this.#of = representation;
    const answer = assembledHead({
      request: head.fields,
      representation,
      completion: this.#completion,
      boundary,
      nowMs: environment.clock.wallMs(),
    });
    if (answer.kind === 'forward') {
      this.#giveUp(part, 416);
      return;
    }
    if (this.#sliceBytes > 0 && part.isRefused)
      rememberNotSliced(environment, key, representation.status);
    if (answer.kind === 'without-content') {
      this.#end(part, answer.head);
      return;
    }
    this.#sections = answer.sections;
    this.#enter('judged');
    this.#send(answer.head, part, representation);
  }

  /** Says what the cache does for the answer, which the first part of it alone does not tell. */
  #send(answer: ResponseHead, part: PartRequest, of: Representation): void {
    const { environment, head, key, owner } = this.#input;
    const sliceBytes = this.#sliceBytes;
    const { outcome } = part;
    const mayBeHit = sliceBytes > 0 && (outcome === 'hit' || outcome === 'stale');
    const starts = mayBeHit ? otherSlices(this.#sections, sliceBytes, part.first) : [];
    lookForSlices({ environment, head, key, sliceBytes, starts, of }, (haveAll) => {
      if (this.#isOver) return;
      if (!haveAll && this.#isOnlyFromCache()) {
        this.#giveUp(part, 416);
        return;
      }
      if (!haveAll) replaceOurStatus(answer.fields, missStatus('partial', 'not-asked'));
      this.#enter('next');
      owner.onAssembledHead(answer, haveAll ? outcome : 'miss');
      this.#advance();
    });
  }

  #isOnlyFromCache(): boolean {
    const { head, environment } = this.#input;
    const isAsked = requestDirectives(head.fields).onlyIfCached;
    return isAsked && environment.cachePolicy.honourRequestDirectives;
  }

  #end(part: PartRequest, head: ResponseHead): void {
    const { owner } = this.#input;
    const { outcome } = part;
    this.#enter('over');
    part.cancel();
    owner.onAssembledHead(head, outcome);
    owner.onFillEnd(null);
  }

  #advance(): void {
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    while (this.#state === 'next') {
      const section = this.#sections[this.#next];
      if (section === undefined) {
        this.#enter('over');
        this.#part?.cancel();
        this.#input.owner.onFillEnd(null);
      } else if (section.kind === 'missing') {
        this.#advancePart(section.start, section.end);
      } else {
        this.#next++;
        if (section.kind === 'stored') this.#sendStored(section);
        else this.#sendMade(section);
      }
    }
    this.#isAdvancing = false;
  }

  #sendMade({ bytes }: Section & { readonly kind: 'made' }): void {
    const isReady = this.#input.owner.onFillContent(bytes);
    if (!isReady && this.#state === 'next') this.#enter('waiting');
  }

  #sendStored({ hit, start, end }: Section & { readonly kind: 'stored' }): void {
    const { owner } = this.#input;
    const sender = { sendContent: (bytes: Uint8Array) => owner.onFillContent(bytes) };
    this.#stored = new StoredReply(hit, [{ start, end }], sender, (error) => {
      this.#stored = null;
      if (error === null) this.#goOn();
      else this.#fail(brokenOff(error.message));
    });
    this.#enter('stored');
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
      if (this.#ahead?.first === partStart) [this.#part, this.#ahead] = [this.#ahead, null];
      else this.#ask(partStart, size === 0 ? end : this.#sliceEnd(sliceStart));
    }
    const isAheadOf = size > 0 && partEnd < end && this.#ahead?.first !== partEnd;
    if (isAheadOf && !this.#isOver) {
      this.#ahead = this.#partAt(partEnd, this.#sliceEnd(partEnd));
      this.#ahead.begin();
    }
    if (this.#isOver) return;
    this.#at = partEnd;
    this.#isMidSlice = false;
    this.#enter('part');
    this.#part!.take(at - partStart, partEnd - at);
  }

  /** What was given has come to its end. */
  #goOn(): void {
    this.#enter('next');
    this.#advance();
  }

  // ------------------------------------------------------------------ content of the part

  onPartContent(bytes: Uint8Array): boolean {
    if (this.#isOver) return true;
    return this.#input.owner.onFillContent(bytes);
  }

  onPartEnd(trailers: FieldSection | null, isReady: boolean): void {
    if (this.#isOver) return;
    this.#part = null;
    if (this.#state === 'forwarding') {
      this.#enter('over');
      this.#input.owner.onFillEnd(trailers);
    } else if (isReady) this.#goOn();
    else this.#enter('waiting');
  }

  /** A part broke off: who fetched it has died, say. What lacks of it is asked for again. */
  onPartError(error: SluiceError): void {
    if (this.#state !== 'part' || ++this.#brokenParts > BROKEN_PARTS_MAX) this.#fail(error);
    else this.#goOnFrom(this.#at - this.#part!.left);
  }

  onPartShort(): void {
    if (this.#state !== 'part' || ++this.#shortParts > SHORT_PARTS_MAX) {
      this.#fail(brokenOff('the origin sends less and less of the requested range'));
      return;
    }
    this.#isMidSlice = this.#sliceBytes > 0;
    this.#goOnFrom(this.#at - this.#part!.left);
  }

  #goOnFrom(at: number): void {
    this.#at = at;
    this.#part = null;
    this.#enter('next');
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
      const isNoPart = status !== 206 && status !== 200;
      if (isNoPart && this.#sliceBytes > 0) rememberNotSliced(environment, key, status);
    }
    this.#fail(brokenOff(`the origin answered ${status}, not with a part of the same`));
  }

  #fail(error: SluiceError): void {
    if (this.#isOver) return;
    this.cancel();
    this.#input.owner.onFailure(error);
  }
}
