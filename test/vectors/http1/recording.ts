/** What a connection does, as lines of text: the events that vectors expect. */

import type { SluiceError } from '../../../src/base/errors.ts';
import { configuredAuthority } from '../../../src/http/authority.ts';
import type {
  RequestFacts,
  RequestHandler,
  ResponseHandler,
  ResponseSender,
} from '../../../src/http/exchange.ts';
import { FieldSection } from '../../../src/http/field-section.ts';
import type { RequestHead } from '../../../src/http/message.ts';
import { Http1ClientConnection } from '../../../src/http1/client-connection.ts';
import type { Http1Output } from '../../../src/http1/output.ts';
import { Http1ServerConnection } from '../../../src/http1/server-connection.ts';
import type { Feed } from '../play.ts';
import { printable, type Vector } from '../vector-file.ts';

/** Events in order; content that comes in pieces counts as one, and equal events are counted. */
export class Recording {
  readonly #events: string[] = [];
  #kind = '';
  #bytes = '';

  add(event: string): void {
    this.#flush();
    this.#events.push(event);
  }

  bytes(kind: string, bytes: Uint8Array): void {
    if (kind !== this.#kind) this.#flush();
    this.#kind = kind;
    this.#bytes += Buffer.from(bytes).toString('latin1');
  }

  fields(fields: FieldSection | null): void {
    for (const [name, value] of fields ?? []) this.add(`  ${name}: ${printable(value)}`);
  }

  get events(): readonly string[] {
    this.#flush();
    const events: string[] = [];
    for (let i = 0, count = 1; i < this.#events.length; i += count) {
      count = 1;
      while (this.#events[i + count] === this.#events[i]) count++;
      events.push(count === 1 ? this.#events[i]! : `${count} × ${this.#events[i]}`);
    }
    return events;
  }

  #flush(): void {
    if (this.#kind === '') return;
    this.#events.push(`${this.#kind} ${printable(this.#bytes)}`);
    this.#kind = '';
    this.#bytes = '';
  }
}

/** An output that records what is written; heads by their status line or request line. */
export class RecordedOutput implements Http1Output {
  readonly buffer = Buffer.alloc(4_096);
  readonly bytesAtOnce = 131_072;
  written = '';
  readonly #recording: Recording;

  constructor(recording: Recording) {
    this.#recording = recording;
  }

  write(bytes: Uint8Array): boolean {
    this.written += Buffer.from(bytes).toString('latin1');
    return true;
  }

  reserve(length: number): number {
    return length <= this.buffer.length ? 0 : -1;
  }

  commit(end: number): boolean {
    return this.write(this.buffer.subarray(0, end));
  }

  end(): void {
    this.#recording.add('end of output');
  }

  reset(): void {
    this.#recording.add('reset');
  }

  pauseReading(): void {}
  resumeReading(): void {}
}

const FACTS: RequestFacts = {
  early: false,
  beganEarly: false,
  whenHandshakeEnds: (callback) => callback(true),
  remoteAddress: '192.0.2.1',
  peerAddress: '192.0.2.1',
  remotePort: 1,
  localAddress: '127.0.0.1',
  localPort: 80,
  tls: null,
};

export function recordEvents(vector: Vector, feed: Feed): readonly string[] {
  return vector.kind === 'request' ? recordServer(vector, feed) : recordClient(vector, feed);
}

/**
 * Options: `scheme=https`; `answer=head` answers as soon as the head has come, `answer=never` not at
 * all, `answer=upgrade` opens a tunnel, by default with the request's end; `eof`: the client then
 * ends its side.
 */
function recordServer(vector: Vector, feed: Feed): readonly string[] {
  const recording = new Recording();
  const output = new RecordedOutput(recording);
  const answer = vector.options.get('answer') ?? 'end';
  const connection = new Http1ServerConnection({
    sink: {
      onRequest(head, sender) {
        recordRequest(recording, head);
        if (answer === 'head') reply(recording, sender);
        if (answer === 'upgrade') sender.upgrade(101, FieldSection.of(['upgrade', head.upgrade]));
        if (answer === 'connect') sender.upgrade(200, new FieldSection());
        return handler(recording, sender, answer);
      },
    },
    output,
    scheme: vector.options.get('scheme') === 'https' ? 'https' : 'http',
    factsFor: () => FACTS,
    onRefused: (error) => recording.add(`refused ${error.status} ${error.code}: ${error.message}`),
  });
  feed((bytes) => connection.receive(bytes, false));
  if (vector.options.has('eof')) connection.onEndOfInput();
  if (connection.isIdle) recording.add('idle');
  const statuses = output.written.match(/(?<=HTTP\/1\.1 )\d{3}/g) ?? [];
  if (statuses.length > 0) recording.add(`sent ${statuses.join(' ')}`);
  return recording.events;
}

function recordRequest(recording: Recording, head: RequestHead): void {
  const { method, scheme, authority, path, version, contentLength, upgrade } = head;
  recording.add(`request ${method} ${scheme} ${authority.text} ${printable(path)} HTTP/${version}`);
  recording.fields(head.fields);
  if (contentLength !== 0) recording.add(`content length ${contentLength}`);
  if (head.expectContinue) recording.add('expects 100');
  if (upgrade !== '') recording.add(`wants ${upgrade}`);
}

function reply(recording: Recording, sender: ResponseSender): void {
  recording.add('answered 200');
  sender.sendHead({ status: 200, fields: new FieldSection(), contentLength: 2 });
  sender.sendContent(Buffer.from('ok'));
  sender.sendEnd(null);
}

function handler(recording: Recording, sender: ResponseSender, answer: string): RequestHandler {
  return {
    onContent: (bytes) => recording.bytes('content', bytes),
    onEnd(trailers) {
      recording.add('end of request');
      recording.fields(trailers);
      if (answer === 'end') reply(recording, sender);
    },
    onAbort: (error) => recording.add(`aborted ${error.code}`),
    onWritable() {},
  };
}

/**
 * Options: `to=HEAD` the request's method; `upgrade` asks for websocket; `length=N` announces
 * request content, which is not sent; `eof`: the origin then ends its side.
 */
function recordClient(vector: Vector, feed: Feed): readonly string[] {
  const recording = new Recording();
  const connection = new Http1ClientConnection({ output: new RecordedOutput(recording) });
  const { options } = vector;
  const head: RequestHead = {
    method: options.get('to') ?? 'GET',
    version: '1.1',
    scheme: 'http',
    authority: configuredAuthority('a.example'),
    path: '/',
    fields: FieldSection.of(['host', 'a.example']),
    contentLength: Number(options.get('length') ?? 0),
    expectContinue: false,
    upgrade: options.has('upgrade') ? 'websocket' : '',
  };
  const responseHandler: ResponseHandler = {
    onInformational(status, fields) {
      recording.add(`informational ${status}`);
      recording.fields(fields);
    },
    onHead(response) {
      recording.add(`response ${response.status}`);
      recording.fields(response.fields);
      if (response.contentLength !== 0) recording.add(`content length ${response.contentLength}`);
    },
    onContent: (bytes) => recording.bytes('content', bytes),
    onEnd(trailers) {
      recording.add('end of response');
      recording.fields(trailers);
    },
    onUpgrade: (response) => recording.add(`tunnel ${response.status}`),
    onWritable() {},
    onError: (error: SluiceError) =>
      recording.add(`failed ${error.code} (${error.blame}, retry ${error.retry})`),
  };
  connection.start(head, responseHandler);
  feed((bytes) => connection.receive(bytes));
  if (options.has('eof')) connection.onEndOfInput();
  recording.add(connection.isReusable ? 'reusable' : 'not reusable');
  return recording.events;
}
