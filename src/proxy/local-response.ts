/** Responses that we make ourselves: errors, and answers that need no origin. */
import { FieldSection } from '../http/field-section.ts';
import { reasonPhrase } from '../http/status.ts';

const encoder = new TextEncoder();

export interface LocalResponse {
  readonly status: number;
  readonly fields: FieldSection;
  readonly content: Uint8Array;
}

/** A short text for people; machines read Proxy-Status. Never stored by caches downstream. */
export function localResponse(
  status: number,
  date: string,
  extra: readonly (readonly [name: string, value: string])[] = [],
): LocalResponse {
  const content = encoder.encode(`${status} ${reasonPhrase(status)}\n`);
  const fields = FieldSection.of(
    ['date', date],
    ['content-type', 'text/plain; charset=utf-8'],
    ['cache-control', 'no-store'],
    ...extra,
  );
  return { status, fields, content };
}
