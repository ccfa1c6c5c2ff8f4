/**
 * A request's content on its way from the client: it comes while an origin takes it, and is dropped
 * when nobody wants it any more.
 */
import type { ResponseSender } from '../../http/exchange.ts';
import type { FieldSection } from '../../http/field-section.ts';

/**
 * `none`: only the request's end is to come. The steps: `none` or `coming` → `ended`,
 * `coming` → `dropped`.
 */
type Stage = 'none' | 'coming' | 'ended' | 'dropped';

export class RequestContent {
  readonly isExpected: boolean;
  readonly #sender: Pick<ResponseSender, 'pause' | 'resume' | 'discardContent'>;
  #stage: Stage;
  /** Set when the request is complete: its trailers wait for the origin if there are any. */
  #end: { readonly trailers: FieldSection | null } | null = null;

  /** `isExpected`: the client may send content, or a tunnel's bytes. */
  constructor(
    sender: Pick<ResponseSender, 'pause' | 'resume' | 'discardContent'>,
    isExpected: boolean,
  ) {
    this.#sender = sender;
    this.isExpected = isExpected;
    this.#stage = isExpected ? 'coming' : 'none';
  }

  get isDropped(): boolean {
    return this.#stage === 'dropped';
  }

  /** Not null once the request is complete. */
  get end(): { readonly trailers: FieldSection | null } | null {
    return this.#end;
  }

  /** Until the origin can take it, content stays with the client. */
  hold(): void {
    if (this.isExpected) this.#sender.pause();
  }

  /** What is asked for may come during this call, the end as well. */
  ask(): void {
    this.#sender.resume();
  }

  onEnd(trailers: FieldSection | null): void {
    this.#end = { trailers };
    if (this.#stage !== 'dropped') this.#stage = 'ended';
  }

  /** Nobody wants what has not come. */
  drop(): void {
    if (this.#stage !== 'coming') return;
    this.#stage = 'dropped';
    this.#sender.discardContent();
  }
}
