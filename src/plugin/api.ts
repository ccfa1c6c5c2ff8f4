/**
 * `sluice/plugin`: what a plugin is written with. What is not in this file is not promised to plugins;
 * docs/reference/plugins.md describes it.
 */
import type { Static, TObject, TSchema } from 'typebox';

/** Headers of a message. Names are the same in upper and lower case; values are bytes as Latin-1. */
export interface Headers {
  /** All values of the name, joined by `, `; null when there is none. */
  get(name: string): string | null;
  /** Each value of its own, as `Set-Cookie` wants it. */
  all(name: string): string[];
  has(name: string): boolean;
  /** In place of all of that name. Throws TypeError for what no header can be, or sluice answers for. */
  set(name: string, value: string): void;
  /** Beside those that are there. */
  append(name: string, value: string): void;
  delete(name: string): void;
  names(): string[];
}

/** Who asks. */
export interface Client {
  /** An IP address, or `unix`; behind trusted proxies the one that they tell. */
  readonly address: string;
  readonly port: number;
  /** Null for plain HTTP. */
  readonly tls: {
    /** As `TLSv1.3`. */
    readonly version: string;
    readonly cipher: string;
    readonly group: string;
    readonly serverName: string;
    readonly alpn: string;
    readonly resumed: boolean;
    /** It has proved who it is by a certificate that the host asks for. */
    readonly hasCertificate: boolean;
  } | null;
}

/** A client's request. */
export interface EdgeRequest {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  /** Without port, in lower case. */
  readonly host: string;
  /** Path and query as they were sent. For decisions use `isUnder` or `pathMatches`: a path has many spellings. */
  readonly target: string;
  /** The target as a URL, for its query. */
  readonly url: URL;
  /** May be changed in `onRequest` only: the cache and the origin see what is changed. */
  readonly headers: Headers;
  readonly client: Client;
  /** The name of its route. */
  readonly route: string;
  /** It came in early data, and the handshake has not ended: somebody may have sent a copy. */
  readonly early: boolean;
  /** The group of origins that is asked. `onRequest` may choose another one that is configured. */
  origin: string;
  /** What the plugin wants to know again in its later hooks for the same request; other plugins do not see it. */
  state: unknown;
  /** Aborted when the client has gone, or the hook's time is over. */
  readonly signal: AbortSignal;
  /** Of the first cookie of that name. */
  cookie(name: string): string | undefined;
  /** Any way to read the path leads to `rule` or below it: `/admin`, or `/admin*`. For rules that deny. */
  isUnder(rule: string): boolean;
  /** Every way to read the path leads there. For rules that allow. */
  isOnlyUnder(rule: string): boolean;
  /** Any way to read the path matches. Has no query. */
  pathMatches(pattern: RegExp): boolean;
  /** Resolves when nobody can have sent a copy. That time does not count against the hook. */
  holdUntilHandshakeEnds(): Promise<void>;
}

/** The request to the origin. */
export interface RequestToOrigin {
  readonly method: string;
  readonly headers: Headers;
  /** Path and query. */
  target: string;
  /** The value of Host. */
  host: string;
}

/** The response as the origin has sent it, once for each fetch, before it is stored. */
export interface ResponseFromOrigin {
  readonly status: number;
  readonly headers: Headers;
  /** Seconds that it is fresh, by what the origin says; 0 when it says nothing. Throws when it may not be stored. */
  lifetime: number;
  /** It is delivered, and kept for nobody else. */
  noStore(): void;
}

/** A response on its way to a client, from the cache as well. */
export interface EdgeResponse {
  readonly status: number;
  readonly headers: Headers;
}

/** How a request has ended. */
export interface FinishedRequest {
  /** 0: no response was sent. */
  readonly status: number;
  /** `hit`, `miss`, `stale`, `revalidated`, `collapsed`, `bypass` or `none`. */
  readonly cache: string;
  readonly durationMs: number;
  readonly responseBytes: number;
  /** A code of docs/reference/errors.md, or ''. */
  readonly error: string;
}

/** A TLS handshake that has ended, well or not. */
export interface Handshake {
  readonly outcome: 'complete' | 'failed';
  readonly version: string;
  readonly cipher: string;
  readonly group: string;
  readonly serverName: string;
  readonly alpn: string;
  readonly resumed: boolean;
  readonly clientAddress: string;
  /** A code, or ''. */
  readonly error: string;
  readonly durationMs: number;
}

/** What the response is stored under besides its URL. */
export interface KeyParts {
  /** More that the response depends on: each value has a stored response of its own. */
  readonly vary?: Readonly<Record<string, string>>;
  /** In place of the request's: requests for several hosts then share what is stored. */
  readonly host?: string;
  /** Path and query in place of the request's. Whatever is merged answers for all. */
  readonly target?: string;
}

/** A response instead of the origin's, made by `answer`, `deny` or `redirect`. */
export class Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;

  constructor(
    status: number,
    headers: Readonly<Record<string, string>>,
    body: string | Uint8Array,
  ) {
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new RangeError(`${status}: not a status from 200 to 599`);
    }
    this.status = status;
    this.headers = headers;
    this.body = body;
  }
}

export function answer(
  status: number,
  body: string | Uint8Array = '',
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return new Answer(status, headers, body);
}

export function deny(
  status = 403,
  body = 'denied\n',
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return new Answer(status, { 'content-type': 'text/plain; charset=utf-8', ...headers }, body);
}

export function redirect(location: string, status: 301 | 302 | 303 | 307 | 308 = 302): Answer {
  return new Answer(status, { location }, '');
}

/** Nothing: the request goes on. */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook need not return anything.
export type Decision = Answer | Response | undefined | void;

export interface Hooks {
  /** After the route is chosen, before the cache is asked. It may take its time: the request waits. */
  onRequest?(request: EdgeRequest): Decision | Promise<Decision>;
  /** Before the look-up. */
  // biome-ignore lint/suspicious/noConfusingVoidType: as above.
  cacheKey?(request: EdgeRequest): KeyParts | undefined | void;
  /** Before the origin is asked. It may take its time. */
  onOriginRequest?(request: RequestToOrigin, client: EdgeRequest): void | Promise<void>;
  /** Once for each fetch, before the response is stored. */
  onOriginResponse?(response: ResponseFromOrigin, client: EdgeRequest): void;
  /** For each delivery, from the cache as well. */
  onResponse?(response: EdgeResponse, request: EdgeRequest): void;
  /** When the request is over, however it ended. */
  onFinish?(finished: FinishedRequest, request: EdgeRequest): void;
  /** When a TLS handshake has ended. */
  onHandshake?(handshake: Handshake): void;
}

/** What `setup` gets beside the options. */
export interface Tools {
  /** A line in the error log, with the plugin's name. */
  log(message: string): void;
}

/** `skip`: a fault in a hook is as if the hook were not there. `refuse`: the request is answered 500. */
export type FaultPolicy = 'skip' | 'refuse';

export interface PluginDefinition<O> {
  /** Lower case letters, digits and hyphens. The name in logs, metrics and incidents. */
  readonly name: string;
  /** What may stand under `options`. */
  readonly options?: TSchema;
  /** Without it: `refuse` when there is a hook `onRequest`, else `skip`. */
  readonly onFault?: FaultPolicy;
  /** Called for each configuration. Waits for nothing: a promise is a fault. */
  setup(options: O, tools: Tools): Hooks;
}

/** Says what a plugin is; a module exports it by default. */
export function definePlugin<const S extends TObject>(
  definition: PluginDefinition<Static<S>> & { readonly options: S },
): PluginDefinition<Static<S>>;
export function definePlugin(
  definition: PluginDefinition<Record<string, never>>,
): PluginDefinition<Record<string, never>>;
export function definePlugin<O>(definition: PluginDefinition<O>): PluginDefinition<O> {
  return definition;
}
