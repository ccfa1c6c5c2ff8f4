/** From a decoded field section to a response's head (RFC 9113 §8.1.1, §8.2, §8.3.2; RFC 9114 §4.3.2). */

import { type DecodedFields, FieldKind } from './field-kind.ts';
import { fieldNameInfo } from './field-names.ts';
import { FieldSection } from './field-section.ts';
import type { ResponseHead } from './message.ts';

/** Null when the response is malformed. `contentLength` is what is announced, or -1. */
export function readResponse(decoded: DecodedFields): ResponseHead | null {
  const { kinds, names, values, count } = decoded;
  // The one pseudo-header field comes first.
  if (count === 0 || kinds[0] !== FieldKind.STATUS) return null;
  const fields = new FieldSection();
  let contentLength = -1;
  for (let i = 1; i < count; i++) {
    const kind = kinds[i]!;
    const value = values[i]!;
    if (kind === FieldKind.CONTENT_LENGTH) {
      if (contentLength >= 0) return null;
      contentLength = Number(value);
    } else if (!isSectionKind(kind)) return null;
    fields.append(names[i]!, value);
  }
  return { status: Number(values[0]), fields, contentLength };
}

/**
 * A trailer section (RFC 9113 §8.1), or null when it is malformed: pseudo-header fields, and all
 * that no section may hold.
 */
export function readTrailers(decoded: DecodedFields): FieldSection | null {
  const trailers = new FieldSection();
  for (let i = 0; i < decoded.count; i++) {
    if (!isSectionKind(decoded.kinds[i]!)) return null;
    const name = decoded.names[i]!;
    // Fields that must not be in trailers are dropped (RFC 9110 §6.5.1).
    if (fieldNameInfo(name)?.forbiddenInTrailers !== true) {
      trailers.append(name, decoded.values[i]!);
    }
  }
  return trailers;
}

/** Neither pseudo, nor connection-specific, nor wrong in name or value. */
function isSectionKind(kind: number): boolean {
  if (kind === FieldKind.REGULAR) return true;
  return kind > FieldKind.CONNECTION && kind < FieldKind.BAD_NAME;
}
