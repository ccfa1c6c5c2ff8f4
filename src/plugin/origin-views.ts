/** What plugins see between the cache and an origin. */
import type { EffectiveControl } from '../cache/rules/targeted-control.ts';
import type { FieldSection } from '../http/field-section.ts';
import { isOriginForm } from '../http/made-text.ts';
import type { ResponseHead } from '../http/message.ts';
import type { RequestToOrigin, ResponseFromOrigin } from './api.ts';
import { HeadersView } from './headers-view.ts';

/** Whether a plugin may put it in the place of a request's host. */
export function isHost(text: string): boolean {
  return /^[\w.:[\]-]+$/.test(text);
}

/** A request on its way to an origin, which nobody has seen yet. */
export interface AskedHead {
  readonly method: string;
  path: string;
  fields: FieldSection;
}

export class OriginRequestView implements RequestToOrigin {
  readonly method: string;
  readonly headers: HeadersView;
  #target: string;
  #host: string;
  #isOpen = true;

  constructor({ method, path, fields }: AskedHead) {
    this.method = method;
    this.headers = new HeadersView(fields, false);
    this.#target = path;
    this.#host = fields.first('host') ?? '';
  }

  get target(): string {
    return this.#target;
  }

  set target(target: string) {
    this.#check('target', isOriginForm(target));
    this.#target = target;
  }

  get host(): string {
    return this.#host;
  }

  set host(host: string) {
    this.#check('host', isHost(host));
    this.#host = host;
  }

  #check(name: string, isRight: boolean): void {
    if (!this.#isOpen) throw new TypeError(`${name}: too late, the request is on its way`);
    if (!isRight) throw new TypeError(`${name}: a value that no request can have`);
  }

  close(): void {
    this.#isOpen = false;
    this.headers.close();
  }

  /** The hook has ended well: what it changed is done. */
  apply(asked: AskedHead): void {
    asked.path = this.#target;
    let { fields } = this.headers;
    if (fields.first('host') !== this.#host) {
      fields = fields.clone();
      fields.set('host', this.#host);
    }
    asked.fields = fields;
  }
}

/**
 * A targeted field (RFC 9213) by which plugins say how long a response is stored. It is between plugins and
 * the cache: whoever else sends one is not heard, and no client gets it.
 */
export const PLUGIN_CONTROL = 'sluice-plugin-cache-control';

export class OriginResponseView implements ResponseFromOrigin {
  readonly status: number;
  readonly headers: HeadersView;
  readonly #control: EffectiveControl;
  #lifetime: number | null = null;
  #isRefused = false;
  #isOpen = true;

  constructor({ status, fields }: ResponseHead, control: EffectiveControl) {
    this.status = status;
    this.headers = new HeadersView(fields, false);
    this.#control = control;
  }

  get lifetime(): number {
    if (this.#lifetime !== null) return this.#lifetime;
    const { sMaxage, maxAge } = this.#control.directives;
    return Math.max(0, sMaxage >= 0 ? sMaxage : maxAge);
  }

  set lifetime(seconds: number) {
    if (!this.#isOpen) throw new TypeError('lifetime: too late, the response is on its way');
    if (!Number.isFinite(seconds) || seconds < 0)
      throw new RangeError(`lifetime: ${seconds} is no time`);
    const { noStore, private: isPrivate, privateFields } = this.#control.directives;
    if (seconds > 0 && (noStore || isPrivate || privateFields.length > 0)) {
      throw new TypeError('lifetime: the origin forbids to store this response');
    }
    if (seconds > 0 && this.headers.has('set-cookie')) {
      throw new TypeError(
        'lifetime: it sets a cookie, which is for one client: delete Set-Cookie first',
      );
    }
    this.#lifetime = Math.floor(seconds);
  }

  noStore(): void {
    if (!this.#isOpen) throw new TypeError('noStore: too late, the response is on its way');
    this.#isRefused = true;
  }

  close(): void {
    this.#isOpen = false;
    this.headers.close();
  }

  result(head: ResponseHead): ResponseHead {
    const control = this.#said();
    if (control === null && this.headers.fields === head.fields) return head;
    const fields = control === null ? this.headers.fields : this.headers.fields.clone();
    if (control !== null) fields.set(PLUGIN_CONTROL, control);
    return { ...head, fields };
  }

  #said(): string | null {
    if (this.#isRefused) return 'no-store';
    if (this.#lifetime === null) return null;
    // It was set afterwards.
    if (this.headers.has('set-cookie')) return 'no-store';
    const { directives } = this.#control;
    const kept = [`max-age=${this.#lifetime}`];
    if (directives.noCache) kept.push('no-cache');
    if (directives.mustRevalidate) kept.push('must-revalidate');
    for (const [name, value] of [
      ['stale-while-revalidate', directives.staleWhileRevalidate],
      ['stale-if-error', directives.staleIfError],
    ] as const) {
      if (value >= 0) kept.push(`${name}=${value}`);
    }
    return kept.join(', ');
  }
}
