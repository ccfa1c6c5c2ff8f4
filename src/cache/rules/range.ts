/**
 * Answering ranges from a stored response (RFC 9110 §14, RFC 9111 §3.3), complete or partial: what
 * to send, as a plan of pieces; the sender reads the stored bytes of each.
 */
import { readEntityTag, strongMatch } from '../../http/conditionals.ts';
import { parseHttpDate } from '../../http/dates.ts';
import { FieldSection } from '../../http/field-section.ts';
import { type ByteRange, parseRange, resolveRanges } from '../../http/ranges.ts';
import type { StoredResponse } from '../contract.ts';
import { contentRangeValue, unsatisfiedRangeValue } from './content-range.ts';
import { entityTagOf, isLastModifiedStrong } from './validators.ts';

/** What of a stored response decides how a request about ranges or with conditions is answered. */
export type Representation = Pick<
  StoredResponse,
  'status' | 'fields' | 'partial' | 'contentLength' | 'responseTimeMs'
>;

/** A run of bytes to send: of our own making, or of the stored content at its offsets. */
export type Piece =
  | { readonly bytes: Uint8Array }
  /** Offsets in the stored content, `end` exclusive. */
  | { readonly start: number; readonly end: number };

export type RangePlan =
  /** Send the stored response whole, as if Range were not there. */
  | { readonly kind: 'whole' }
  /** The stored part does not have what is asked for: forward the request. */
  | { readonly kind: 'forward' }
  | {
      readonly kind: 'part' | 'unsatisfiable';
      readonly status: 206 | 416;
      readonly fields: FieldSection;
      readonly pieces: readonly Piece[];
      readonly contentLength: number;
    };

const WHOLE: RangePlan = { kind: 'whole' };
const FORWARD: RangePlan = { kind: 'forward' };

/**
 * Ranges that are served apart. More, or ranges that overlap much, make the answer larger than the
 * whole: they get the whole (RFC 9110 §14.2, §17.15).
 */
const PARTS_MAX = 16;

/** What to send when Range does not count: all that is stored, if it is all there is. */
export function planWhole(stored: Representation): RangePlan {
  return stored.partial === null ? WHOLE : FORWARD;
}

/**
 * What to send for a GET whose stored response may be used. `boundary` separates parts and must not
 * occur in the content: pass a random one.
 */
export function planRange(
  request: FieldSection,
  stored: Representation,
  nowMs: number,
  boundary: string,
): RangePlan {
  const otherwise = planWhole(stored);
  const value = request.combined('range');
  if (value === undefined || request.count('range') > 1) return otherwise;
  // RFC 9110 §14.2: Range is about what would be a 200.
  if (stored.partial === null && stored.status !== 200) return WHOLE;
  if (!isIfRangeTrue(request, stored, nowMs)) return otherwise;
  const specs = parseRange(value);
  if (specs === null) return otherwise;
  const completeLength = stored.partial?.completeLength ?? stored.contentLength;
  // While the length is not known only ranges with both ends could be judged: let it fill.
  if (completeLength === -1) return otherwise;
  // Nothing has no part: RFC 9110 §14.1.2 gives the whole for a suffix, and clients that ask so for
  // everything fail on a 416, which origins do not send for it either.
  if (completeLength === 0) return otherwise;
  const ranges = resolveRanges(specs, completeLength);
  if (ranges.length === 0) return unsatisfiable(stored, completeLength);
  const offset = stored.partial?.first ?? 0;
  const available = stored.partial?.last ?? completeLength - 1;
  if (!ranges.every((range) => range.first >= offset && range.last <= available)) return FORWARD;
  const [only] = ranges;
  if (ranges.length === 1) return singlePart(stored, only!, offset, completeLength);
  return multipleParts({ stored, ranges, offset, completeLength, boundary });
}

/** RFC 9110 §13.1.5: a false If-Range makes Range be ignored. */
function isIfRangeTrue(request: FieldSection, stored: Representation, nowMs: number): boolean {
  const condition = request.first('if-range');
  if (condition === undefined) return true;
  const tag = readEntityTag(condition);
  if (tag !== undefined) {
    const own = entityTagOf(stored.fields);
    return own !== undefined && strongMatch(tag, own);
  }
  const lastModified = stored.fields.first('last-modified');
  if (lastModified === undefined || !isLastModifiedStrong(stored.fields)) return false;
  const asked = parseHttpDate(condition, nowMs);
  return asked !== undefined && asked === parseHttpDate(lastModified, nowMs);
}

function unsatisfiable(stored: Representation, completeLength: number): RangePlan {
  const fields = partFields(stored);
  fields.remove('content-type');
  fields.remove('content-encoding');
  fields.append('content-range', unsatisfiedRangeValue(completeLength));
  return { kind: 'unsatisfiable', status: 416, fields, pieces: [], contentLength: 0 };
}

function singlePart(
  stored: Representation,
  range: ByteRange,
  offset: number,
  completeLength: number,
): RangePlan {
  const fields = partFields(stored);
  fields.append('content-range', contentRangeValue(range.first, range.last, completeLength));
  const piece = { start: range.first - offset, end: range.last + 1 - offset };
  const contentLength = piece.end - piece.start;
  return { kind: 'part', status: 206, fields, pieces: [piece], contentLength };
}

interface MultipleParts {
  readonly stored: Representation;
  readonly ranges: readonly ByteRange[];
  readonly offset: number;
  readonly completeLength: number;
  readonly boundary: string;
}

/** RFC 9110 §15.3.7.2 and §14.6: multipart/byteranges. */
function multipleParts({
  stored,
  ranges,
  offset,
  completeLength,
  boundary,
}: MultipleParts): RangePlan {
  const asked = ranges.reduce((sum, range) => sum + range.last - range.first + 1, 0);
  if (ranges.length > PARTS_MAX || asked > completeLength) {
    return planWhole(stored);
  }
  const contentType = stored.fields.combined('content-type');
  const pieces: Piece[] = [];
  let contentLength = 0;
  const addText = (text: string): void => {
    const bytes = Buffer.from(text, 'latin1');
    pieces.push({ bytes });
    contentLength += bytes.length;
  };
  for (const [index, range] of ranges.entries()) {
    const lines = [`${index === 0 ? '' : '\r\n'}--${boundary}`];
    if (contentType !== undefined) lines.push(`Content-Type: ${contentType}`);
    const place = contentRangeValue(range.first, range.last, completeLength);
    lines.push(`Content-Range: ${place}`, '', '');
    addText(lines.join('\r\n'));
    pieces.push({ start: range.first - offset, end: range.last + 1 - offset });
    contentLength += range.last - range.first + 1;
  }
  addText(`\r\n--${boundary}--\r\n`);
  const fields = partFields(stored);
  fields.set('content-type', `multipart/byteranges; boundary=${boundary}`);
  return { kind: 'part', status: 206, fields, pieces, contentLength };
}

/** The stored fields without those about the length and place of the stored content. */
function partFields(stored: Representation): FieldSection {
  const fields = new FieldSection();
  for (let i = 0; i < stored.fields.length; i++) {
    const name = stored.fields.names[i]!;
    if (name === 'content-length' || name === 'content-range') continue;
    fields.append(name, stored.fields.values[i]!);
  }
  return fields;
}
