/** What plugins see of a client's request: one object for all of its life, and all plugins. */
import type { RequestFacts } from '../http/exchange.ts';
import type { RequestHead } from '../http/message.ts';
import {
  anyReadingUnder,
  everyReadingUnder,
  type PathReadings,
  pathRule,
  readPath,
} from '../routing/path.ts';
import type { Client, EdgeRequest } from './api.ts';
import { HeadersView } from './headers-view.ts';

/** Rules that were compiled once; a plugin has few, and a hook must not compile them again. */
const RULES_KEPT_MAX = 256;
const rules = new Map<string, ReturnType<typeof pathRule>>();

/** What the view needs of who runs the hooks. */
export interface RequestSurroundings {
  readonly route: string;
  /** The route's own group. */
  readonly origin: string;
  readonly hasOrigin: (name: string) => boolean;
  /** Time spent in it is not the hook's. */
  readonly hold: () => Promise<void>;
  readonly signal: () => AbortSignal;
  /** What the plugin that runs now has kept. */
  readonly stateOf: () => unknown;
  readonly setState: (value: unknown) => void;
}

export class RequestView implements EdgeRequest {
  readonly #head: RequestHead;
  readonly #facts: RequestFacts;
  readonly #around: RequestSurroundings;
  #headers: HeadersView | null = null;
  #origin: string;
  #isOpen = true;
  #readings: PathReadings | null = null;
  #url: URL | null = null;

  constructor(head: RequestHead, facts: RequestFacts, around: RequestSurroundings) {
    this.#head = head;
    this.#facts = facts;
    this.#around = around;
    this.#origin = around.origin;
  }

  get method(): string {
    return this.#head.method;
  }

  get scheme(): 'http' | 'https' {
    return this.#head.scheme === 'https' ? 'https' : 'http';
  }

  get host(): string {
    return this.#head.authority.host;
  }

  get target(): string {
    return this.#head.path;
  }

  get url(): URL {
    const { scheme, authority, path } = this.#head;
    this.#url ??= new URL(`${scheme}://${authority.text}${path.startsWith('/') ? path : '/'}`);
    return this.#url;
  }

  get headers(): HeadersView {
    this.#headers ??= this.#newHeaders();
    return this.#headers;
  }

  /** Null while no hook has asked for them. */
  get headersIfUsed(): HeadersView | null {
    return this.#headers;
  }

  #newHeaders(): HeadersView {
    const headers = new HeadersView(this.#head.fields, false);
    if (!this.#isOpen) headers.close();
    return headers;
  }

  get client(): Client {
    const { remoteAddress, remotePort, tls } = this.#facts;
    if (tls === null) return { address: remoteAddress, port: remotePort, tls: null };
    const { version, cipher, group, serverName, alpn, resumed, clientCertificates } = tls;
    const hasCertificate = clientCertificates.length > 0;
    return {
      address: remoteAddress,
      port: remotePort,
      tls: { version, cipher, group, serverName, alpn, resumed, hasCertificate },
    };
  }

  get route(): string {
    return this.#around.route;
  }

  get early(): boolean {
    return this.#facts.early;
  }

  get origin(): string {
    return this.#origin;
  }

  set origin(name: string) {
    if (!this.#isOpen) throw new TypeError('origin: too late, it has been chosen');
    if (!this.#around.hasOrigin(name)) throw new TypeError(`origin: there is no group ${name}`);
    this.#origin = name;
  }

  get state(): unknown {
    return this.#around.stateOf();
  }

  set state(value: unknown) {
    this.#around.setState(value);
  }

  get signal(): AbortSignal {
    return this.#around.signal();
  }

  cookie(name: string): string | undefined {
    for (const line of this.#fields.all('cookie')) {
      for (const pair of line.split(';')) {
        const equals = pair.indexOf('=');
        if (equals !== -1 && pair.slice(0, equals).trim() === name)
          return pair.slice(equals + 1).trim();
      }
    }
    return undefined;
  }

  get #fields() {
    return this.#headers?.fields ?? this.#head.fields;
  }

  isUnder(rule: string): boolean {
    return anyReadingUnder(this.#paths, ruleOf(rule));
  }

  isOnlyUnder(rule: string): boolean {
    return everyReadingUnder(this.#paths, ruleOf(rule));
  }

  pathMatches(pattern: RegExp): boolean {
    const { normal, others } = this.#paths;
    // Too many readings to look at: as for rules that deny, any of them may be one that matches.
    return others === null || [normal, ...others].some((path) => path.search(pattern) !== -1);
  }

  get #paths(): PathReadings {
    this.#readings ??= readPath(this.#head.path);
    return this.#readings;
  }

  holdUntilHandshakeEnds(): Promise<void> {
    return this.#around.hold();
  }

  // ------------------------------------------------------------------ for who runs the hooks

  open(): void {
    this.#isOpen = true;
    this.#headers?.open();
  }

  /** What a hook does when its time is over has no effect. */
  close(): void {
    this.#isOpen = false;
    this.#headers?.close();
  }

  /** To be undone by `restore`. */
  snapshot() {
    return {
      origin: this.#origin,
      fields: this.#headers?.keep() ?? null,
      edited: this.#headers?.edited == null ? null : new Set(this.#headers.edited),
    };
  }

  restore({ origin, fields, edited }: ReturnType<RequestView['snapshot']>): void {
    this.#origin = origin;
    if (fields !== null) this.headers.restore(fields, edited);
    else if (this.#headers !== null) {
      this.#headers.close();
      this.#headers = null;
    }
  }

  /** The same for the hooks that follow: who kept this one can do no more with it. */
  successor(): RequestView {
    const next = new RequestView(this.#head, this.#facts, this.#around);
    this.close();
    next.restore(this.snapshot());
    return next;
  }
}

function ruleOf(text: string): ReturnType<typeof pathRule> {
  const known = rules.get(text);
  if (known !== undefined) return known;
  if (!text.startsWith('/'))
    throw new TypeError(`${JSON.stringify(text)}: a rule for paths begins with /`);
  if (rules.size >= RULES_KEPT_MAX) rules.clear();
  const rule = pathRule(text);
  rules.set(text, rule);
  return rule;
}
