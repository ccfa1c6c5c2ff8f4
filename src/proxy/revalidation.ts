/** Asks the origin about a stale stored response while a client is served with it (RFC 5861 §3). */

import type { Waiter } from '../cache/collapse.ts';
import { NO_REQUEST_DIRECTIVES } from '../cache/rules/cache-control.ts';
import { CONDITIONAL } from '../cache/rules/validation.ts';
import type { RequestHead } from '../http/message.ts';
import type { PluginRun } from '../plugin/plugin-run.ts';
import { claimFetch } from './cross-worker-fetch.ts';
import type { ProxyEnvironment } from './environment.ts';
import {
  OriginRequest,
  type OriginRequestOwner,
  type Validation,
} from './request/origin-request.ts';

/** Nobody waits for the outcome: the store has it. */
class Background implements OriginRequestOwner {
  #again: ((validation: null) => void) | null;

  constructor(again: (validation: null) => void) {
    this.#again = again;
  }

  onRequestStarted(): void {}
  onRequestRestart(): void {}
  onRequestWritable(): void {}
  onInformational(): void {}
  onOriginResponse(): void {}
  onUpgrade(): void {}
  onTunnelEnd(): void {}
  onStored(): void {}
  onFailure(): void {}
  onFillEnd(): void {}
  onFillError(): void {}
  onFillDetached(): void {}

  onTunnelBytes(): boolean {
    return true;
  }

  onFillContent(): boolean {
    return true;
  }

  onAskAgain(): void {
    const again = this.#again;
    this.#again = null;
    again?.(null);
  }
}

const NOBODY: Waiter = { onResponse() {}, onRelease() {} };

export interface RevalidationInput {
  readonly environment: ProxyEnvironment;
  /** The client's: what is asked is made of it. */
  readonly head: RequestHead;
  readonly key: string;
  readonly validation: Validation;
  readonly plugins: PluginRun | null;
}

/** Starts one revalidation per key at a time; further calls meanwhile do nothing. */
export function revalidateInBackground(input: RevalidationInput): void {
  const { environment, head, key, validation, plugins } = input;
  const { collapse, clock, store } = environment;
  const joined = collapse.join(key, NOBODY, clock.wallMs(), store.versionOf(key));
  if (joined.role === 'waiter') joined.inFlight.leave(NOBODY);
  if (joined.role !== 'leader') return;
  const version = environment.store.crossWorkerFetches?.versionOf(key) ?? 0;
  if (claimFetch(environment, joined.inFlight, version) !== 'ask') {
    // Another worker asks, or has just been told that it is of no use to others.
    joined.inFlight.end();
    return;
  }
  const asked = plainGet(head, validation);
  const send = (about: Validation | null): void => {
    const request = new OriginRequest({
      environment,
      origin: environment.origins.byDefault,
      head: asked,
      directives: NO_REQUEST_DIRECTIVES,
      key,
      wholeKey: key,
      peerAddress: '127.0.0.1',
      facts: null,
      early: false,
      plugins,
      mayStore: true,
      validation: about,
      // An error that may be stored does not take the place of what may be served in place of it.
      fallback: validation.selected,
      inFlight: about === null ? null : joined.inFlight,
      notes: null,
      owner: new Background(send),
    });
    request.start();
  };
  send(validation);
}

/**
 * The client's method may be HEAD, but what is stored is GET's; its conditions are its own; and its
 * Range must not cut what is stored, unless that is a part.
 */
function plainGet(head: RequestHead, { selected }: Validation): RequestHead {
  const fields = head.fields.clone();
  for (const name of CONDITIONAL) fields.remove(name);
  if (selected?.response.partial == null) fields.remove('range');
  return { ...head, method: 'GET', fields, contentLength: 0, expectContinue: false };
}
