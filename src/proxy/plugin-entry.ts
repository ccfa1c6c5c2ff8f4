/** A request on its way through the hooks of its route's plugins, before anything else is done with it. */

import type { SluiceError } from '../base/errors.ts';
import type { RequestFacts, RequestHandler, ResponseSender } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import { isSafeMethod } from '../http/methods.ts';
import { type Entry, type PluginRun, WAITS } from '../plugin/plugin-run.ts';
import { localResponse } from '../routing/local-response.ts';
import type { ProxyEnvironment } from './environment.ts';

/**
 * Has the hooks decide; `later` is told when that takes its time. In early data they are asked at once only
 * where what they do may be done twice: a decision about an unsafe request waits for the handshake's end
 * (RFC 8470 §3).
 */
export function enterPlugins(
  environment: ProxyEnvironment,
  run: PluginRun,
  { head, facts }: { readonly head: RequestHead; readonly facts: RequestFacts },
  later: (entry: Entry) => void,
): Entry | typeof WAITS {
  if (!facts.early || !run.decides) return run.enter(later);
  const decision = environment.earlyDataPolicies.decide(head, facts);
  if (decision === 'refuse') {
    return { kind: 'answered', response: localResponse(425, environment.dateNow()) };
  }
  if (decision === 'forward' && isSafeMethod(head.method)) return run.enter(later);
  facts.whenHandshakeEnds((isComplete) => {
    if (!isComplete) return;
    const entry = run.enter(later);
    if (entry !== WAITS) later(entry);
  });
  return WAITS;
}

/** A request that waits for a hook. What its client does meanwhile is told to whoever answers it. */
export class HeldRequest implements RequestHandler {
  readonly #run: PluginRun;
  readonly #goOn: (entry: Entry) => RequestHandler;
  #next: RequestHandler | null = null;
  #end: { readonly trailers: FieldSection | null } | null = null;
  #isGone = false;
  readonly #abort: (error: SluiceError) => void;

  /** `sender` is null when no content is to come. `goOn` has it answered; `abort` has it recorded as one whose client has gone. */
  constructor(
    run: PluginRun,
    sender: Pick<ResponseSender, 'pause'> | null,
    goOn: (entry: Entry) => RequestHandler,
    abort: (error: SluiceError) => void,
  ) {
    this.#run = run;
    this.#goOn = goOn;
    this.#abort = abort;
    sender?.pause();
  }

  decided(entry: Entry): void {
    if (this.#isGone) return;
    const next = this.#goOn(entry);
    this.#next = next;
    if (this.#end !== null) next.onEnd(this.#end.trailers);
  }

  onContent(bytes: Uint8Array): void {
    this.#next?.onContent(bytes);
  }

  onEnd(trailers: FieldSection | null): void {
    if (this.#next === null) this.#end = { trailers };
    else this.#next.onEnd(trailers);
  }

  onWritable(): void {
    this.#next?.onWritable();
  }

  onAbort(error: SluiceError): void {
    if (this.#next !== null) {
      this.#next.onAbort(error);
      return;
    }
    this.#isGone = true;
    this.#run.cancel();
    this.#abort(error);
  }
}

/** By environment: the same for another group of origins, or without the cache. */
const variants = new WeakMap<ProxyEnvironment, Map<string, ProxyEnvironment>>();

/** The environment of a request whose plugins have chosen another group; '' for the route's own. */
export function environmentFor(
  environment: ProxyEnvironment,
  origin: string,
  usesCache: boolean,
): ProxyEnvironment {
  if (origin === '' && usesCache) return environment;
  const known = variants.get(environment) ?? new Map<string, ProxyEnvironment>();
  variants.set(environment, known);
  const key = `${usesCache} ${origin}`;
  const there = known.get(key);
  if (there !== undefined) return there;
  const { origins, route } = environment;
  const byDefault = origins.groups.get(origin) ?? origins.byDefault;
  const made = {
    ...environment,
    origins: { groups: origins.groups, byDefault },
    route: usesCache ? route : { ...route, caches: false },
  };
  known.set(key, made);
  return made;
}
