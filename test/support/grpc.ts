/** A gRPC service of four methods, one of each kind, between npm's own client and server. */
import * as grpc from '@grpc/grpc-js';

/** A message: messages here are JSON, which spares a compiler of Protocol Buffers. */
export interface Message {
  readonly text: string;
  readonly count?: number;
}

function method(name: string, requestStream: boolean, responseStream: boolean) {
  const write = (message: Message) => Buffer.from(JSON.stringify(message));
  const read = (bytes: Buffer) => JSON.parse(bytes.toString()) as Message;
  return {
    path: `/test.Talk/${name}`,
    requestStream,
    responseStream,
    requestSerialize: write,
    requestDeserialize: read,
    responseSerialize: write,
    responseDeserialize: read,
  };
}

const service = {
  say: method('Say', false, false),
  list: method('List', false, true),
  collect: method('Collect', true, false),
  chat: method('Chat', true, true),
};

export type UnaryCallback = grpc.requestCallback<Message>;

export interface TalkClient extends grpc.Client {
  say(
    message: Message,
    metadata: grpc.Metadata,
    options: grpc.CallOptions,
    callback: UnaryCallback,
  ): grpc.ClientUnaryCall;
  list(message: Message, options?: grpc.CallOptions): grpc.ClientReadableStream<Message>;
  collect(callback: UnaryCallback): grpc.ClientWritableStream<Message>;
  chat(): grpc.ClientDuplexStream<Message, Message>;
}

const Client = grpc.makeGenericClientConstructor(service, 'Talk');

/** `target` as `localhost:1234`; `rootsPem` vouch for its certificate. */
export function talkClient(target: string, rootsPem: Buffer): TalkClient {
  const credentials = grpc.credentials.createSsl(rootsPem);
  return new Client(target, credentials) as unknown as TalkClient;
}

export class TalkServer implements AsyncDisposable {
  readonly #server = new grpc.Server();
  port = 0;
  /** How many calls the server has been told are cancelled. */
  cancelled = 0;
  /** Calls of `list` for `endless` under way. */
  endless = 0;
  readonly peers = new Set<string>();

  constructor() {
    this.#server.addService(service, {
      say: this.#say.bind(this),
      list: this.#list.bind(this),
      collect: this.#collect.bind(this),
      chat: this.#chat.bind(this),
    } as grpc.UntypedServiceImplementation);
  }

  #say(call: grpc.ServerUnaryCall<Message, Message>, callback: grpc.sendUnaryData<Message>): void {
    this.peers.add(call.getPeer());
    const { text } = call.request;
    const trailer = new grpc.Metadata();
    trailer.set('x-trailer', 'last');
    if (text === 'fail') {
      const code = grpc.status.FAILED_PRECONDITION;
      callback({ code, details: 'not in this state: 100 % sure', metadata: trailer });
    } else if (text === 'never') {
      call.on('cancelled', () => this.cancelled++);
    } else {
      const header = new grpc.Metadata();
      header.set('x-header', String(call.metadata.get('x-asked')[0] ?? ''));
      call.sendMetadata(header);
      callback(null, { text: `you said ${text}`, count: text.length }, trailer);
    }
  }

  #list(call: grpc.ServerWritableStream<Message, Message>): void {
    if (call.request.text === 'endless') {
      this.endless++;
      const timer = setInterval(() => call.write({ text: 'more' }), 5);
      call.on('cancelled', () => {
        clearInterval(timer);
        this.cancelled++;
        this.endless--;
      });
      return;
    }
    const count = call.request.count ?? 0;
    for (let i = 0; i < count; i++) call.write({ text: call.request.text, count: i });
    call.end();
  }

  #collect(
    call: grpc.ServerReadableStream<Message, Message>,
    callback: grpc.sendUnaryData<Message>,
  ): void {
    const texts: string[] = [];
    call.on('data', (message: Message) => texts.push(message.text));
    call.on('end', () => callback(null, { text: texts.join('+'), count: texts.length }));
  }

  #chat(call: grpc.ServerDuplexStream<Message, Message>): void {
    call.on('data', ({ text }: Message) => call.write({ text: `re: ${text}` }));
    call.on('end', () => call.end());
  }

  async listen(credentials: grpc.ServerCredentials): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#server.bindAsync('127.0.0.1:0', credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
    this.port = await promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }
}

export async function startTalkServer(
  certificate: { readonly certificatePem: string; readonly keyPem: string } | null,
): Promise<TalkServer> {
  const server = new TalkServer();
  const credentials =
    certificate === null
      ? grpc.ServerCredentials.createInsecure()
      : grpc.ServerCredentials.createSsl(null, [
          {
            cert_chain: Buffer.from(certificate.certificatePem),
            private_key: Buffer.from(certificate.keyPem),
          },
        ]);
  await server.listen(credentials);
  return server;
}
