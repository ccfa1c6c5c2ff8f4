/** What a handler gets beside the request. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { CLIENT_FIELD, clientOf, type HandlerClient } from './client-header.ts';

export interface HandlerContextInput {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  /** Keeps the thread until the promise is settled. */
  keep(promise: Promise<unknown>): void;
}

/**
 * The second argument of `fetch`, and the third. What the configuration has as `env` is in `env`, and
 * can also be read from the context itself: what is written for Workers takes the second argument for
 * its environment, and what is written for Hono has both.
 */
export class HandlerContext {
  readonly #input: HandlerContextInput;
  #hasTrailers = false;

  constructor(input: HandlerContextInput) {
    this.#input = input;
  }

  /** Of the thread: `bindEnvironment` puts it here. */
  get env(): Readonly<Record<string, string>> {
    return Object.getPrototypeOf(HandlerContext.prototype);
  }

  /** Who asks, by the connection; null when no client waits. */
  get client(): HandlerClient | null {
    const { headers } = this.#input.incoming;
    return clientOf(headers[CLIENT_FIELD] as string | undefined);
  }

  /** The request may be a replay: do nothing by it that must not happen twice. */
  get early(): boolean {
    return this.client?.early ?? false;
  }

  /** As Deno's. */
  get remoteAddr(): { readonly hostname: string; readonly transport: 'tcp' } {
    return { hostname: this.client?.address ?? '', transport: 'tcp' };
  }

  /** sluice sends the request again when the handshake has ended (RFC 8470 §5.2). */
  tooEarly(): Response {
    return new Response(null, { status: 425 });
  }

  /** Work that goes on after the response: the thread is not ended for a new version before it has. */
  waitUntil(promise: Promise<unknown>): void {
    this.#input.keep(promise);
  }

  /** Nothing else can answer: an exception is a 500. Here for what is written for Workers. */
  passThroughOnException(): void {}

  /** Sends a 103 (RFC 8297): `link`, and what else is known already. */
  earlyHints(headers: ConstructorParameters<typeof Headers>[0]): void {
    const { outgoing } = this.#input;
    const fields = Object.fromEntries(new Headers(headers));
    if (!outgoing.headersSent) outgoing.writeEarlyHints({ link: '', ...fields });
  }

  /** Resolves when the body has been read. */
  requestTrailers(): Promise<Headers> {
    const { incoming } = this.#input;
    const { promise, resolve, reject } = Promise.withResolvers<Headers>();
    const tell = () => resolve(new Headers(incoming.trailers as Record<string, string>));
    if (incoming.readableEnded || incoming.complete) tell();
    else incoming.once('end', tell).once('error', reject);
    return promise;
  }

  /** Sent after the body, which then has no Content-Length; may be called until its end. */
  setTrailers(headers: ConstructorParameters<typeof Headers>[0]): void {
    this.#hasTrailers = true;
    this.#input.outgoing.addTrailers([...new Headers(headers)]);
  }

  /** The response as it can be sent with what has been asked for. */
  static finished(context: HandlerContext, response: Response): Response {
    if (!context.#hasTrailers || !response.headers.has('content-length')) return response;
    const headers = new Headers(response.headers);
    headers.delete('content-length');
    const { status, statusText, body } = response;
    return new Response(body, { status, statusText, headers });
  }
}

/** Names that the context has itself. */
export const CONTEXT_NAMES: ReadonlySet<string> = new Set([
  ...Object.getOwnPropertyNames(HandlerContext.prototype),
  ...Object.getOwnPropertyNames(Object.prototype),
]);

/** Once in a thread. */
export function bindEnvironment(env: Readonly<Record<string, string>>): void {
  Object.setPrototypeOf(HandlerContext.prototype, Object.freeze({ ...env }));
}
