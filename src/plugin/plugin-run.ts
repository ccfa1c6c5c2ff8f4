/**
 * What the plugins of one request do, from its beginning to its end. A hook that fails has changed nothing;
 * of a plugin with `on-fault: refuse` the request is then refused, whatever the hook.
 */
import type { SluiceError } from '../base/errors.ts';
import { endProcess, owned } from '../base/owned.ts';
import { cacheKey, type KeyRules } from '../cache/rules/key.ts';
import { effectiveControl } from '../cache/rules/targeted-control.ts';
import { configuredAuthority } from '../http/authority.ts';
import type { RequestFacts } from '../http/exchange.ts';
import { FieldSection } from '../http/field-section.ts';
import { isOriginForm } from '../http/made-text.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { withoutNames } from '../routing/field-screen.ts';
import type { LocalResponse } from '../routing/local-response.ts';
import type { GateResult } from '../routing/rules.ts';
import { Answer, type FinishedRequest, type KeyParts } from './api.ts';
import { PLUGIN_DISABLED, PLUGIN_FAILED, wordsOf } from './faults.ts';
import { HeadersView, protectEdits } from './headers-view.ts';
import { HookWait, type Settled } from './hook-wait.ts';
import { defaultPluginLimits } from './limits.ts';
import { type AskedHead, isHost, OriginRequestView, OriginResponseView } from './origin-views.ts';
import { FAULT, type LoadedPlugin } from './plugin-set.ts';
import { RequestView } from './request-view.ts';

/** What became of a request's first hooks; null: it goes on. */
export type Entry = GateResult | null;

/** A hook takes its time: what comes of it is told later. */
export const WAITS: unique symbol = Symbol('waits');

/** What of its route a request's plugins work with. */
export interface PluginRoute {
  readonly name: string;
  /** The group of origins that it asks. */
  readonly origin: string;
  readonly hasOrigin: (name: string) => boolean;
  readonly dateNow: () => string;
  readonly hasResponseHook: boolean;
}

export class PluginRun {
  readonly #route: PluginRoute;
  readonly #plugins: readonly LoadedPlugin[];
  readonly #head: RequestHead;
  readonly #facts: RequestFacts;
  /** By plugin; shared with the request's parts. */
  #states: unknown[] = [];
  #view: RequestView;
  /** The place of the plugin whose hook runs, or ran last. */
  #at = 0;
  #wait: HookWait | null = null;
  #isPart = false;
  #hasFailed = false;

  constructor(
    route: PluginRoute,
    plugins: readonly LoadedPlugin[],
    head: RequestHead,
    facts: RequestFacts,
  ) {
    this.#route = route;
    this.#plugins = plugins;
    this.#head = head;
    this.#facts = facts;
    this.#view = new RequestView(head, facts, {
      route: route.name,
      origin: route.origin,
      hasOrigin: route.hasOrigin,
      hold: () => this.#hold(),
      signal: () => this.#signal(),
      stateOf: () => this.#states[this.#at],
      setState: (value) => {
        this.#states[this.#at] = value;
      },
    });
  }

  /** The same for a part of what this request answers with: only what is between the cache and origins. */
  forPart(): PluginRun {
    const part = new PluginRun(this.#route, this.#plugins, this.#head, this.#facts);
    part.#states = this.#states;
    part.#view.close();
    part.#view.restore(this.#view.snapshot());
    part.#isPart = true;
    return part;
  }

  /** A response hook has failed, and the response was refused. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Whether a hook decides about the request before anything is done with it. */
  get decides(): boolean {
    return this.#plugins.some((plugin) => plugin.has('onRequest'));
  }

  // ------------------------------------------------------------------ onRequest

  /** `later` is called in place of the return when a hook takes its time. */
  enter(later: (entry: Entry) => void): Entry | typeof WAITS {
    return deferred(this.#enterFrom(0), later);
  }

  #enterFrom(start: number): Entry | Promise<Entry> {
    for (let i = start; i < this.#plugins.length; i++) {
      const plugin = this.#plugins[i]!;
      if (!plugin.has('onRequest')) continue;
      const entry = this.#ask(plugin, i);
      if (entry instanceof Promise) return this.#enterAfter(entry, i);
      if (entry !== null) return entry;
    }
    this.#view.close();
    return null;
  }

  async #enterAfter(waiting: Promise<Entry>, i: number): Promise<Entry> {
    return (await waiting) ?? this.#enterFrom(i + 1);
  }

  #ask(plugin: LoadedPlugin, i: number): Entry | Promise<Entry> {
    if (plugin.hooks === null) {
      plugin.fault('onRequest', 'disabled', 'it is disabled, and requests are refused without it');
      return refusal(PLUGIN_DISABLED);
    }
    this.#at = i;
    this.#wait = null;
    const before = this.#view.snapshot();
    this.#view.open();
    const result = plugin.call('onRequest', this.#view);
    if (result === undefined) return null;
    if (result === FAULT) return this.#undo(plugin, before);
    if (!isThenable(result) && !(result instanceof Response))
      return this.#judge(plugin, result, before);
    return this.#askLater(plugin, result, before);
  }

  async #askLater(
    plugin: LoadedPlugin,
    result: PromiseLike<unknown> | Response,
    before: ReturnType<RequestView['snapshot']>,
  ): Promise<Entry> {
    const settled = await this.#settle(plugin, 'onRequest', decisionOf(result));
    if (settled.how === 'done') return this.#judge(plugin, settled.value, before);
    if (settled.how === 'timed-out') {
      // What it does from now on has no effect.
      this.#view.close();
      this.#view.restore(before);
      this.#view = this.#view.successor();
    }
    return this.#undo(plugin, before);
  }

  #judge(
    plugin: LoadedPlugin,
    decision: unknown,
    before: ReturnType<RequestView['snapshot']>,
  ): Entry {
    if (decision === undefined) return null;
    if (decision instanceof Answer) {
      try {
        return { kind: 'answered', response: localOf(decision, this.#route.dateNow()) };
      } catch (error) {
        plugin.fault('onRequest', 'returned', wordsOf(error));
      }
    } else {
      const words = 'write nothing, answer(…), deny(…), redirect(…) or a Response';
      plugin.fault('onRequest', 'returned', `${shown(decision)} is no decision: ${words}`);
    }
    return this.#undo(plugin, before);
  }

  #undo(plugin: LoadedPlugin, before: ReturnType<RequestView['snapshot']>): Entry {
    this.#view.restore(before);
    return plugin.onFault === 'refuse' ? refusal(PLUGIN_FAILED) : null;
  }

  /** Waits for a hook that takes its time; when it fails, that is told. */
  async #settle(
    plugin: LoadedPlugin,
    hook: 'onRequest' | 'onOriginRequest',
    result: PromiseLike<unknown>,
  ): Promise<Settled> {
    const settled = await this.#waiting.settle(result);
    this.#wait = null;
    if (settled.how === 'rejected') plugin.fault(hook, 'rejected', wordsOf(settled.error));
    if (settled.how === 'timed-out') {
      const words = `it was not settled within ${plugin.options.timeoutMs} ms`;
      plugin.fault(hook, 'timed-out', words);
    }
    return settled;
  }

  #hold(): Promise<void> {
    return this.#waiting.hold((done) => this.#facts.whenHandshakeEnds(done));
  }

  #signal(): AbortSignal {
    return this.#waiting.signal;
  }

  /** Of the hook that runs: made when it asks for it, or takes its time. */
  get #waiting(): HookWait {
    this.#wait ??= new HookWait(this.#plugins[this.#at]!.options.timeoutMs);
    return this.#wait;
  }

  /** The client has gone while a hook takes its time. */
  cancel(): void {
    this.#wait?.cancel();
  }

  /** The request as its hooks have left it. */
  get head(): RequestHead {
    const headers = this.#view.headersIfUsed;
    if (headers === null || headers.edited === null) return this.#head;
    const fields = headers.fields;
    protectEdits(fields, headers.edited);
    return { ...this.#head, fields };
  }

  /** The group that is asked, or '' for the route's own. */
  get origin(): string {
    const { origin } = this.#view;
    return origin === this.#route.origin ? '' : origin;
  }

  /** Trailers must not say what a plugin has said. */
  screenTrailers(trailers: FieldSection | null): FieldSection | null {
    const edited = this.#view.headersIfUsed?.edited;
    if (edited == null) return trailers;
    return withoutNames(
      trailers,
      (name) => edited.has(name.replaceAll('_', '-')) || edited.has(name),
    );
  }

  // ------------------------------------------------------------------ cacheKey

  /** Null: the cache is not used, since nobody knows what the response depends on. */
  key(head: RequestHead, rules: KeyRules, suffix: string): string | SluiceError | null {
    let { authority, path } = head;
    let added = this.origin === '' ? '' : `\norigin ${this.origin}`;
    for (let i = 0; i < this.#plugins.length; i++) {
      const plugin = this.#plugins[i]!;
      if (plugin.hooks?.cacheKey === undefined) continue;
      this.#at = i;
      const parts = plugin.call('cacheKey', this.#view);
      if (parts === undefined) continue;
      if (isThenable(parts)) parts.then(undefined, () => {});
      const fault = parts === FAULT ? '' : keyFault(parts);
      if (fault !== '') plugin.fault('cacheKey', 'returned', fault);
      if (parts === FAULT || fault !== '') {
        if (plugin.onFault === 'refuse') return PLUGIN_FAILED;
        return null;
      }
      const { vary = {}, host, target } = parts as KeyParts;
      if (host !== undefined) authority = configuredAuthority(host);
      if (target !== undefined) path = target;
      for (const name of Object.keys(vary).sort()) {
        added += `\nplugin ${plugin.name} ${encodeURIComponent(name)}=${encodeURIComponent(vary[name]!)}`;
      }
    }
    const isSame = authority === head.authority && path === head.path;
    return cacheKey(isSame ? head : { ...head, authority, path }, rules) + suffix + added;
  }

  // ------------------------------------------------------------------ to and from the origin

  /** Changes what the origin is asked. `later` is as in `enter`. */
  onOriginRequest(
    asked: AskedHead,
    later: (fault: SluiceError | null) => void,
  ): SluiceError | null | typeof WAITS {
    return deferred(this.#askOriginFrom(asked, 0), later);
  }

  #askOriginFrom(
    asked: AskedHead,
    start: number,
  ): SluiceError | null | Promise<SluiceError | null> {
    for (let i = start; i < this.#plugins.length; i++) {
      const plugin = this.#plugins[i]!;
      if (plugin.hooks?.onOriginRequest === undefined) continue;
      this.#at = i;
      this.#wait = null;
      const view = new OriginRequestView(asked);
      const result = plugin.call('onOriginRequest', view, this.#view);
      if (isThenable(result)) return this.#askOriginAfter(asked, view, result, i);
      const fault = this.#endOriginRequest(plugin, asked, view, result);
      if (fault !== null) return fault;
    }
    return null;
  }

  async #askOriginAfter(
    asked: AskedHead,
    view: OriginRequestView,
    result: PromiseLike<unknown>,
    i: number,
  ): Promise<SluiceError | null> {
    const plugin = this.#plugins[i]!;
    const settled = await this.#settle(plugin, 'onOriginRequest', result);
    const value = settled.how === 'done' ? settled.value : FAULT;
    return this.#endOriginRequest(plugin, asked, view, value) ?? this.#askOriginFrom(asked, i + 1);
  }

  #endOriginRequest(
    plugin: LoadedPlugin,
    asked: AskedHead,
    view: OriginRequestView,
    result: unknown,
  ): SluiceError | null {
    view.close();
    if (result === undefined) {
      view.apply(asked);
      return null;
    }
    if (result !== FAULT)
      plugin.fault('onOriginRequest', 'returned', `${shown(result)}: it returns nothing`);
    return plugin.onFault === 'refuse' ? PLUGIN_FAILED : null;
  }

  /** The response as it is stored and delivered, or why it is refused. */
  onOriginResponse(response: ResponseHead, targets: readonly string[]): ResponseHead | SluiceError {
    let head = response;
    for (let i = 0; i < this.#plugins.length; i++) {
      const plugin = this.#plugins[i]!;
      if (plugin.hooks?.onOriginResponse === undefined) continue;
      this.#at = i;
      const view = new OriginResponseView(head, effectiveControl(head.fields, targets));
      const result = plugin.call('onOriginResponse', view, this.#view);
      view.close();
      if (this.#isWell(plugin, 'onOriginResponse', result)) head = view.result(head);
      else if (plugin.onFault === 'refuse') return PLUGIN_FAILED;
    }
    return head;
  }

  // ------------------------------------------------------------------ to the client

  /** The fields as they go on: the same section when nothing was changed. Null: the response is refused. */
  onResponse(status: number, fields: FieldSection): FieldSection | null {
    if (this.#isPart || this.#hasFailed || !this.#route.hasResponseHook) return fields;
    const headers = new HeadersView(fields, false);
    const view = { status, headers };
    for (let i = 0; i < this.#plugins.length; i++) {
      const plugin = this.#plugins[i]!;
      if (plugin.hooks?.onResponse === undefined) continue;
      this.#at = i;
      const before = headers.keep();
      headers.open();
      const result = plugin.call('onResponse', view, this.#view);
      headers.close();
      if (this.#isWell(plugin, 'onResponse', result)) continue;
      headers.restore(before, null);
      if (plugin.onFault === 'skip') continue;
      // Once: what tells of the fault is a response, too.
      this.#hasFailed = true;
      return null;
    }
    return headers.fields;
  }

  /** Of a hook that is synchronous and returns nothing. */
  #isWell(
    plugin: LoadedPlugin,
    hook: 'onOriginResponse' | 'onResponse' | 'onFinish',
    result: unknown,
  ): boolean {
    if (result === undefined) return true;
    if (result === FAULT) return false;
    if (isThenable(result)) result.then(undefined, () => {});
    plugin.fault(
      hook,
      'returned',
      `${shown(result)}: the hook returns nothing, and waits for nothing`,
    );
    return false;
  }

  onFinish(finished: FinishedRequest): void {
    this.cancel();
    if (this.#isPart) return;
    for (let i = 0; i < this.#plugins.length; i++) {
      const plugin = this.#plugins[i]!;
      if (plugin.hooks?.onFinish === undefined) continue;
      this.#at = i;
      this.#isWell(plugin, 'onFinish', plugin.call('onFinish', finished, this.#view));
    }
  }
}

/** The promises of hooks are never rejected: what is, is a fault of ours. */
function deferred<T>(result: T | Promise<T>, later: (result: T) => void): T | typeof WAITS {
  if (!(result instanceof Promise)) return result;
  owned(result.then(later), endProcess);
  return WAITS;
}

function refusal(error: SluiceError): GateResult {
  return { kind: 'refused', error, retryAfterSeconds: 0 };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof value.then === 'function'
  );
}

/** Of a web response the body is to be read. */
async function decisionOf(result: PromiseLike<unknown> | Response): Promise<unknown> {
  const decision = result instanceof Response ? result : await result;
  if (!(decision instanceof Response)) return decision;
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of decision.body ?? []) {
    bytes += piece.length;
    if (bytes > defaultPluginLimits.answerBytesMax) {
      throw new RangeError(`a response of more than ${defaultPluginLimits.answerBytesMax} bytes`);
    }
    pieces.push(piece);
  }
  const headers: Record<string, string> = {};
  decision.headers.forEach((value, name) => {
    if (!NOT_TAKEN.has(name)) headers[name] = value;
  });
  return new Answer(decision.status, headers, Buffer.concat(pieces));
}

/** `fetch` has decoded the body already. */
const NOT_TAKEN = new Set([
  'content-length',
  'content-encoding',
  'transfer-encoding',
  'connection',
  'keep-alive',
]);

function localOf({ status, headers, body }: Answer, date: string): LocalResponse {
  const view = new HeadersView(FieldSection.of(['date', date]), true);
  for (const [name, value] of Object.entries(headers)) view.set(name, value);
  if (!view.has('cache-control')) view.set('cache-control', 'no-store');
  return {
    status,
    fields: view.fields,
    content: typeof body === 'string' ? Buffer.from(body) : body,
  };
}

/** Why they are no parts of a key, or ''. */
function keyFault(value: unknown): string {
  if (typeof value !== 'object' || value === null || isThenable(value))
    return `${shown(value)} is no object of vary, host, target`;
  const { vary = {}, host, target, ...rest } = value as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) return `${unknown}: write vary, host or target`;
  if (typeof vary !== 'object' || vary === null) return 'vary is no object';
  for (const [name, one] of Object.entries(vary)) {
    if (typeof one !== 'string') return `vary.${name} is no text`;
  }
  if (host !== undefined && (typeof host !== 'string' || !isHost(host)))
    return 'host is no name of a host';
  if (target !== undefined && (typeof target !== 'string' || !isOriginForm(target)))
    return 'target is no path';
  return '';
}

function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null)
    return isThenable(value) ? 'a promise' : 'an object';
  return typeof value === 'string' ? 'a text' : String(value);
}
