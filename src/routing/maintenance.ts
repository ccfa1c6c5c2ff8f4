/** A route that is closed for a while: 503 for all but some addresses. */
import { AddressSet } from '../base/address-range.ts';
import { FieldSection } from '../http/field-section.ts';
import type { LocalResponse } from './local-response.ts';
import type { Maintenance } from './route.ts';

export class ClosedRoute {
  readonly #except: AddressSet | null;
  readonly #content: Uint8Array;
  readonly #lines: readonly (readonly [name: string, value: string])[];

  constructor({ contentType, content, retryAfterSeconds, except }: Maintenance) {
    this.#except = except.length === 0 ? null : new AddressSet(except);
    this.#content = new TextEncoder().encode(content);
    this.#lines = [
      ['content-type', contentType],
      ['cache-control', 'no-store'],
      ...(retryAfterSeconds > 0 ? [['retry-after', String(retryAfterSeconds)] as const] : []),
    ];
  }

  isOpenFor(remoteAddress: string): boolean {
    return this.#except?.has(remoteAddress) ?? false;
  }

  answer(date: string): LocalResponse {
    const fields = FieldSection.of(['date', date], ...this.#lines);
    return { status: 503, fields, content: this.#content };
  }
}
