/**
 * Asks for one part of a representation as a client would ask, with an exchange of its own: so the
 * part comes from the cache, from a fetch that others wait for, or by a range request to the origin,
 * and is stored. What it gives is held until its turn has come.
 */
import { assert } from '../../base/assert.ts';
import { SluiceError } from '../../base/errors.ts';
import { parseContentRange } from '../../cache/rules/content-range.ts';
import type { Representation } from '../../cache/rules/range.ts';
import type { ResponseSender } from '../../http/exchange.ts';
import type { FieldSection } from '../../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../../http/message.ts';
import type { CacheOutcome } from '../../telemetry/exchange-summary.ts';
import type { ProxyEnvironment } from '../environment.ts';

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

/** What is special about an exchange that asks for a part. */
export interface PartTask {
  /** A slice has a key of its own; what lacks between stored parts is fetched without looking. */
  readonly kind: 'slice' | 'gap';
  /** The key that a response is stored under which turns out not to be a part. */
  readonly wholeKey: string;
  /**
   * The representation that the part must be of. A stored part with the same strong validator is
   * used whatever its age: what the validator stands for has been judged. Null for the first part.
   */
  readonly of: Representation | null;
}

/** As much of an exchange as its asker drives. */
export interface PartExchange {
  readonly outcome: CacheOutcome;
  /** The origin's response may not be stored. */
  readonly isRefused: boolean;
  begin(): void;
  onWritable(): void;
  onAbort(error: SluiceError): void;
}

export type OpenExchange = (
  head: RequestHead,
  key: string,
  task: PartTask,
  sender: ResponseSender,
) => PartExchange;

export interface PartReader {
  onPartHead(part: PartRequest, head: ResponseHead): void;
  /** Returns false when no more can be taken until `pump`. */
  onPartContent(bytes: Uint8Array): boolean;
  /** What was wanted of the part has been given. `isReady`: more can be taken without `pump`. */
  onPartEnd(trailers: FieldSection | null, isReady: boolean): void;
  onPartError(error: SluiceError): void;
  /**
   * It has ended where its head said that it would, and that is less than was wanted: an origin may
   * answer so (RFC 9110 §15.3.7), and be asked on.
   */
  onPartShort(): void;
}

export interface PartRequestInput {
  readonly open: OpenExchange;
  /** With the Range that begins at `first`. */
  readonly head: RequestHead;
  readonly key: string;
  /** The first byte asked for, in the representation. */
  readonly first: number;
  readonly task: PartTask;
  readonly reader: PartReader;
}

export class PartRequest implements ResponseSender {
  /** The first byte asked for, in the representation. */
  readonly first: number;
  readonly #reader: PartReader;
  readonly #exchange: PartExchange;
  #held: Buffer[] = [];
  #isTaken = false;
  #skip = 0;
  /** Bytes that the reader still wants. */
  #left = 0;
  /** Bytes that were to come by Content-Range and have not; -1 when it is not a part. */
  #expected = -1;
  #end: { readonly trailers: FieldSection | null } | null = null;
  #error: SluiceError | null = null;
  #over = false;

  constructor({ open, head, key, first, task, reader }: PartRequestInput) {
    this.first = first;
    this.#reader = reader;
    this.#exchange = open(head, key, task, this);
  }

  get outcome(): CacheOutcome {
    return this.#exchange.outcome;
  }

  get isRefused(): boolean {
    return this.#exchange.isRefused;
  }

  /** Bytes that are wanted and have not been given. */
  get left(): number {
    return this.#left;
  }

  begin(): void {
    this.#exchange.begin();
  }

  /** Its turn has come: `count` bytes after the first `skip`; Infinity for all there are. */
  take(skip: number, count: number): void {
    this.#isTaken = true;
    this.#skip = skip;
    this.#left = count;
    this.pump();
  }

  /** The reader can take more. */
  pump(): void {
    while (this.#held.length > 0) {
      if (!this.#pass(this.#held.shift()!) || this.#over) return;
    }
    if (this.#error !== null) this.#finish(() => this.#reader.onPartError(this.#error!));
    else if (this.#end !== null) this.#finishEnd(this.#end.trailers);
    else this.#exchange.onWritable();
  }

  /** Nobody wants it any more. What is being stored of it goes on being stored. */
  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#held = [];
    if (this.#end !== null || this.#error !== null) return;
    const error = new SluiceError('connection-closed', 'no more of the part is wanted', {
      blame: 'downstream',
    });
    this.#exchange.onAbort(error);
  }

  #pass(bytes: Uint8Array): boolean {
    if (this.#expected !== -1) this.#expected = Math.max(0, this.#expected - bytes.length);
    const start = Math.min(this.#skip, bytes.length);
    this.#skip -= start;
    const wanted = bytes.subarray(start, Math.min(bytes.length, start + this.#left));
    if (wanted.length === 0) return true;
    this.#left -= wanted.length;
    const ready = this.#reader.onPartContent(wanted);
    if (this.#left > 0 || this.#over) return ready;
    this.cancel();
    this.#reader.onPartEnd(null, ready);
    return ready;
  }

  #finishEnd(trailers: FieldSection | null): void {
    const isShort = this.#left > 0 && this.#left !== Number.POSITIVE_INFINITY;
    this.#finish(() => {
      if (isShort && this.#expected === 0) this.#reader.onPartShort();
      else if (isShort) this.#reader.onPartError(brokenOff('a part ended before its end'));
      else this.#reader.onPartEnd(trailers, true);
    });
  }

  #finish(tell: () => void): void {
    if (this.#over) return;
    this.#over = true;
    tell();
  }

  // ------------------------------------------------------------------ from the exchange

  sendInformational(): void {}

  sendHead(head: ResponseHead): void {
    if (this.#over) return;
    const place = head.status === 206 ? parseContentRange(head.fields) : null;
    if (place !== null) this.#expected = place.last - place.first + 1;
    this.#reader.onPartHead(this, head);
  }

  sendContent(bytes: Uint8Array): boolean {
    if (this.#over) return true;
    if (this.#isTaken && this.#held.length === 0) return this.#pass(bytes);
    this.#held.push(Buffer.from(bytes));
    return false;
  }

  sendEnd(trailers: FieldSection | null): void {
    this.#end = { trailers };
    if (this.#isTaken && this.#held.length === 0) this.#finishEnd(trailers);
  }

  abort(error: SluiceError): void {
    this.#error = error;
    if (this.#isTaken && this.#held.length === 0) {
      this.#finish(() => this.#reader.onPartError(error));
    }
  }

  sendStored(): void {
    assert(false, 'an exchange sends what is stored piece by piece');
  }

  upgrade(): void {
    assert(false, 'a part is asked for without upgrade');
  }

  pause(): void {}
  resume(): void {}
  discardContent(): void {}
}

/** What makes an answer of parts end before its end. */
export function brokenOff(message: string): SluiceError {
  return new SluiceError('response-incomplete', message, { blame: 'upstream' });
}
