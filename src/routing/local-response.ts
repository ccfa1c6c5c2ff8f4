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
  const text = `${status} ${reasonPhrase(status)}\n`;
  return localContent({ status, date, type: 'text/plain; charset=utf-8', text, extra });
}

export function localJson(status: number, date: string, value: unknown): LocalResponse {
  return localContent({
    status,
    date,
    type: 'application/json',
    text: `${JSON.stringify(value)}\n`,
    extra: [],
  });
}

interface LocalContent {
  readonly status: number;
  readonly date: string;
  readonly type: string;
  readonly text: string;
  readonly extra: readonly (readonly [name: string, value: string])[];
}

function localContent({ status, date, type, text, extra }: LocalContent): LocalResponse {
  const fields = FieldSection.of(
    ['date', date],
    ['content-type', type],
    ['cache-control', 'no-store'],
    ...extra,
  );
  return { status, fields, content: encoder.encode(text) };
}
