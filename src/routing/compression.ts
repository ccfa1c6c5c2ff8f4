/**
 * Which responses are compressed, and how that is agreed with clients (RFC 9110 §12.5.3).
 *
 * What a client accepts is brought down to the one coding that it would get before the cache is
 * asked: all clients that get Brotli then select the same stored response by Vary, and a hit on it
 * is like any other.
 */
import { BoundedMap } from '../base/bounded-map.ts';
import { parseContentRange } from '../cache/rules/content-range.ts';
import { FieldSection } from '../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { CompressionOptions, ContentCoding } from './route.ts';

/** Values of Accept-Encoding whose result is kept, per route. Browsers send a dozen. */
export const CHOICES_KEPT_BYTES_MAX = 65_536;

/** Identity, unless the client forbids it: then its header goes on to the origin as it is. */
type Choice = ContentCoding | 'identity' | 'as-sent';

/** What becomes of a response. */
export type CodingPlan =
  /** It is not of a kind that is compressed. */
  | 'leave'
  /** It would be compressed for others. */
  | 'vary'
  | ContentCoding;

/** About bytes that are no longer those (RFC 9530, RFC 1864), or not to be had (RFC 9110 §14.3). */
const OF_BYTES = [
  'accept-ranges',
  'content-digest',
  'content-length',
  'content-md5',
  'repr-digest',
];

export class Compression {
  readonly #options: CompressionOptions;
  readonly #choices = new BoundedMap<Choice>(CHOICES_KEPT_BYTES_MAX);

  constructor(options: CompressionOptions) {
    this.#options = options;
  }

  /** Changes what the request asks for to what it will get. */
  prepare(fields: FieldSection): void {
    const accepted = fields.combined('accept-encoding');
    if (accepted !== undefined) this.#settleCoding(fields, accepted);
    // The tag that the client has is one that we made weak: the origin knows it as it was.
    const ifMatch = fields.combined('if-match');
    if (ifMatch !== undefined) fields.set('if-match', ifMatch.replaceAll('W/"', '"'));
  }

  #settleCoding(fields: FieldSection, accepted: string): void {
    const choice = this.#choiceFor(accepted);
    if (choice === 'as-sent') return;
    // RFC 9111 §5.2.1.6: who forbids it gets what the origin has for those who take no coding.
    if (choice === 'identity' || forbidsTransform(fields)) {
      fields.remove('accept-encoding');
      return;
    }
    if (fields.has('range')) {
      // Parts are parts of what is sent (RFC 9110 §14): whoever has some of the compressed bytes
      // gets all of them again, and everybody else parts of the plain content.
      if (!fields.has('if-range')) {
        fields.remove('accept-encoding');
        return;
      }
      fields.remove('range');
      fields.remove('if-range');
    }
    fields.set('accept-encoding', choice);
  }

  #choiceFor(accepted: string): Choice {
    let choice = this.#choices.get(accepted);
    if (choice === undefined) {
      choice = chooseCoding(accepted, this.#options.encodings);
      this.#choices.set(accepted, choice);
    }
    return choice;
  }

  /** `request` as `prepare` left it. */
  plan(request: RequestHead, response: ResponseHead): CodingPlan {
    if (!this.#isEligible(response)) return 'leave';
    // Parts are of the plain content.
    if (response.status === 206) return 'vary';
    return this.#codingOf(request) ?? 'vary';
  }

  #codingOf(request: RequestHead): ContentCoding | undefined {
    const wanted = request.fields.first('accept-encoding');
    return this.#options.encodings.find((coding) => coding === wanted);
  }

  /** Whether it would be compressed for a client that takes it so, or is a part of what would be. */
  #isEligible({ status, fields, contentLength }: ResponseHead): boolean {
    if (status < 200 || status === 204 || status === 205 || status === 304) return false;
    // RFC 9111 §5.2.2.6.
    if (fields.has('content-encoding') || forbidsTransform(fields)) return false;
    if (status !== 206) {
      if (fields.has('content-range')) return false;
      return !this.#isTooShort(contentLength) && this.#isOfType(fields.first('content-type'));
    }
    const type = fields.first('content-type');
    // Of several parts the fields do not tell what they are parts of.
    if (type?.toLowerCase().startsWith('multipart/byteranges') === true) return true;
    return (
      !this.#isTooShort(parseContentRange(fields)?.completeLength ?? -1) && this.#isOfType(type)
    );
  }

  #isTooShort(contentLength: number): boolean {
    return contentLength >= 0 && contentLength < this.#options.minBytes;
  }

  #isOfType(value: string | undefined): boolean {
    if (value === undefined) return false;
    const type = value.split(';', 1)[0]!.trim().toLowerCase();
    return this.#options.types.some((pattern) => {
      if (pattern.endsWith('/*')) return type.startsWith(pattern.slice(0, -1));
      return pattern.startsWith('*') ? type.endsWith(pattern.slice(1)) : type === pattern;
    });
  }

  /** The response's head as `plan` has it. */
  apply(plan: CodingPlan, response: ResponseHead): ResponseHead {
    if (plan === 'leave') return response;
    const fields = new FieldSection();
    for (const [name, value] of response.fields) {
      if (plan === 'vary' || !OF_BYTES.includes(name)) fields.append(name, value);
    }
    addVary(fields);
    if (plan === 'vary') return { ...response, fields };
    fields.append('content-encoding', plan);
    weakenTag(fields);
    return { ...response, fields, contentLength: -1 };
  }

  /**
   * A 304 speaks of the origin's own representation: what is stored, here or at the client, may be
   * what we have made of it, and has a weak tag. It varies as the 200 does that it stands for
   * (RFC 9110 §15.4.5). `stored` is what the validation was about.
   */
  applyToNotModified(
    request: RequestHead,
    response: ResponseHead,
    stored: FieldSection | undefined,
  ): ResponseHead {
    const coding = this.#codingOf(request);
    const fields = response.fields.clone();
    if (stored === undefined ? this.#mayBeOfType(fields) : variesByCoding(stored)) {
      // Without a Vary of its own it leaves the stored one as it is.
      if (stored === undefined || fields.has('vary')) addVary(fields);
    }
    if (coding === undefined) return { ...response, fields };
    const tag = fields.first('etag');
    if (tag !== undefined && stored?.first('etag') !== tag) weakenTag(fields);
    if (stored === undefined || stored.first('content-encoding') === coding) {
      for (const name of OF_BYTES) fields.remove(name);
    }
    return { ...response, fields };
  }

  /** A 304 need not tell the type; what it tells may show that nothing is compressed. */
  #mayBeOfType(fields: FieldSection): boolean {
    if (fields.has('content-encoding') || forbidsTransform(fields)) return false;
    const type = fields.first('content-type');
    return type === undefined || this.#isOfType(type);
  }
}

/**
 * The coding that a client likes best of those offered (RFC 9110 §12.5.3); among equals the first
 * that is offered.
 */
export function chooseCoding(accepted: string, offered: readonly ContentCoding[]): Choice {
  const weights = new Map<string, number>();
  for (const member of accepted.toLowerCase().split(',')) {
    const [name, ...parameters] = member.split(';').map((part) => part.trim());
    if (name === undefined || name === '') continue;
    const coding = name === 'x-gzip' ? 'gzip' : name;
    if (!weights.has(coding)) weights.set(coding, weightIn(parameters));
  }
  const others = weights.get('*');
  let best: ContentCoding | null = null;
  let bestWeight = 0;
  for (const coding of offered) {
    const weight = weights.get(coding) ?? others ?? 0;
    if (weight > bestWeight) {
      best = coding;
      bestWeight = weight;
    }
  }
  // Without a weight of its own identity is acceptable, and wanted less than anything named.
  const identity = weights.get('identity') ?? (others === 0 ? 0 : 0.0005);
  if (best !== null && bestWeight >= identity) return best;
  return identity > 0 ? 'identity' : 'as-sent';
}

function weightIn(parameters: readonly string[]): number {
  for (const parameter of parameters) {
    const match = /^q\s*=\s*([01](?:\.\d{0,3})?)$/.exec(parameter);
    if (match !== null) return Math.min(1, Number(match[1]));
  }
  return 1;
}

function forbidsTransform(fields: FieldSection): boolean {
  return fields.combined('cache-control')?.toLowerCase().includes('no-transform') ?? false;
}

function variesByCoding(fields: FieldSection): boolean {
  return fields.combined('vary')?.toLowerCase().includes('accept-encoding') ?? false;
}

function addVary(fields: FieldSection): void {
  const value = fields.combined('vary');
  const names = value?.split(',').map((name) => name.trim().toLowerCase()) ?? [];
  if (names.includes('*') || names.includes('accept-encoding')) return;
  fields.set('vary', names.length === 0 ? 'accept-encoding' : `${value}, accept-encoding`);
}

/** RFC 9110 §8.8.1: other bytes, the same meaning. */
function weakenTag(fields: FieldSection): void {
  const tag = fields.first('etag');
  if (tag !== undefined && !tag.startsWith('W/')) fields.set('etag', `W/${tag}`);
}
