/**
 * The contract between a protocol core's driver (HTTP/1, HTTP/2, HTTP/3) and whoever answers the request
 * (downstream) or asked it (upstream). It is full duplex: a response may begin, and end, before the
 * request's content has ended. Nothing here is asynchronous and nothing allocates per chunk;
 * backpressure is a return value and a callback.
 *
 * Bytes handed to a callback belong to the caller and are valid only until the callback returns;
 * who keeps them copies them.
 */
import type { SluiceError } from '../base/errors.ts';
import type { TcpAsked } from '../base/tcp-figures.ts';
import type { FieldSection } from './field-section.ts';
import type { RequestHead, ResponseHead } from './message.ts';

/** Receives one request, in the order head, content*, end; `onAbort` may come at any time, last. */
export interface RequestHandler {
  onContent(bytes: Uint8Array): void;
  onEnd(trailers: FieldSection | null): void;
  /** The stream or its connection is gone: nothing more can be sent or will be received. */
  onAbort(error: SluiceError): void;
  /** The sender's buffer has drained after `sendContent` returned false. */
  onWritable(): void;
}

/** Sends one response; given to the answerer together with the request head. */
export interface ResponseSender {
  /** An interim (1xx) response; ignored for HTTP/1.0 (RFC 9110 §15.2). 101 only via `upgrade`. */
  sendInformational(status: number, fields: FieldSection): void;
  /**
   * The final response's head. The sender adds framing only (Content-Length or chunked,
   * Connection); all other fields are the caller's. `contentLength` 0 ends the message at
   * `sendEnd`, which must still be called. For HEAD, 204 and 304 content is never sent.
   */
  sendHead(head: ResponseHead): void;
  /** Returns false when the buffer is over its high-water mark: stop until `onWritable`. */
  sendContent(bytes: Uint8Array): boolean;
  /** Bytes that are worth one `sendContent`; undefined: it does not matter. */
  readonly bytesAtOnce?: number | undefined;
  sendEnd(trailers: FieldSection | null): void;
  /**
   * A complete stored response in one call: the hot path. `stored.content` is sent whole unless the
   * request's method is HEAD.
   */
  sendStored(stored: PreparedResponse): void;
  /**
   * Answers 101 (HTTP/1.1) or 2xx (CONNECT) and turns the stream into a tunnel: from here
   * `onContent` carries raw bytes and `sendContent` sends raw bytes; `sendEnd` half-closes.
   */
  upgrade(status: number, fields: FieldSection): void;
  /** Breaks the message off so that the peer can tell (close, or RST_STREAM). */
  abort(error: SluiceError): void;
  /** Stops and restarts delivery of request content (backpressure toward the client). */
  pause(): void;
  resume(): void;
  /** Asks for the request's content to be dropped instead of delivered. */
  discardContent(): void;
}

/** Begins an exchange for each request that a downstream connection receives. */
export interface RequestSink {
  onRequest(head: RequestHead, sender: ResponseSender, facts: RequestFacts): RequestHandler;
}

/** What the connection knows about the request beyond its bytes. Read at any time; it changes. */
export interface RequestFacts extends TcpAsked {
  /**
   * True from the moment the request's first byte was read as early data until the handshake
   * completes (RFC 8470 §2.1: the flag is the request's and ends with the handshake).
   */
  readonly early: boolean;
  /** The request began in early data, whatever has happened since: for the log. */
  readonly beganEarly: boolean;
  /** Calls back once, when the handshake completes, or fails (false); at once when it has. */
  whenHandshakeEnds(callback: (complete: boolean) => void): void;
  /**
   * The client's address without port: `127.0.0.1`, `::1`, or `unix`. Behind proxies that are
   * trusted it is the one that they tell.
   */
  readonly remoteAddress: string;
  /** The same of whoever is connected: the nearest proxy, when there is one. */
  readonly peerAddress: string;
  readonly remotePort: number;
  /** Where it connected to, as `remoteAddress`. */
  readonly localAddress: string;
  readonly localPort: number;
  /** A TLS connection, with its negotiated group and handshake time; null for plaintext. */
  readonly tls: TlsFacts | null;
}

export interface TlsFacts {
  readonly version: string;
  readonly cipher: string;
  readonly group: string;
  readonly resumed: boolean;
  readonly earlyData: string;
  readonly serverName: string;
  /** Which of the configured hosts the connection was made for. */
  readonly host: number;
  /**
   * By which the client has proved who it is, DER, leaf first; empty without. The same array each
   * time.
   */
  readonly clientCertificates: readonly Uint8Array[];
  readonly alpn: string;
  /** Milliseconds from the first byte to the end of the handshake; -1 while it is open. */
  readonly handshakeMs: number;
}

/** A stored response made ready to be sent; each core keeps its encoding of the head beside it. */
export interface PreparedResponse {
  readonly status: number;
  readonly fields: FieldSection;
  readonly content: Uint8Array;
  /** Whole seconds for the Age field (RFC 9111 §5.1), or -1 for none. */
  readonly ageSeconds: number;
  /** Status line and fields but Age and Connection, without the empty line: by the HTTP/1 core. */
  http1Head?: Uint8Array | undefined;
  /** The field section as HTTP/2 sends it, without age: by the HTTP/2 core. */
  http2Head?: Uint8Array | undefined;
  /** The same as HTTP/3 sends it: by the HTTP/3 core. */
  http3Head?: Uint8Array | undefined;
}

/** Sends one request to an origin. */
export interface RequestSender {
  /** Returns false when the buffer is over its high-water mark: stop until `onWritable`. */
  sendContent(bytes: Uint8Array): boolean;
  sendEnd(trailers: FieldSection | null): void;
  /** Gives the exchange up; no callback follows. */
  cancel(): void;
  pause(): void;
  resume(): void;
}

/** Receives one response from an origin, in the order informational*, head, content*, end. */
export interface ResponseHandler {
  onInformational(status: number, fields: FieldSection): void;
  onHead(head: ResponseHead): void;
  onContent(bytes: Uint8Array): void;
  onEnd(trailers: FieldSection | null): void;
  /** The origin's connection switched protocols: raw bytes both ways from here. */
  onUpgrade(head: ResponseHead): void;
  onWritable(): void;
  /** The exchange failed; `error.retry` says whether another connection may be tried. */
  onError(error: SluiceError): void;
}
