/** A connection on which a test writes exactly the bytes it wants, and reads what comes. */
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { asResponse, type Response, readMessage } from './messages.ts';
import { PATIENCE_MS, until, within } from './waiting.ts';

export class RawConnection implements Disposable {
  readonly socket: Socket | TLSSocket;
  #received: Buffer[] = [];
  #text = '';
  #offset = 0;
  #onChange: () => void = () => {};
  /** The peer sent FIN or reset the connection. */
  isEnded = false;
  error: NodeJS.ErrnoException | null = null;

  constructor(socket: Socket | TLSSocket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#received.push(bytes);
      this.#onChange();
    });
    const ends = () => {
      this.isEnded = true;
      this.#onChange();
    };
    socket.on('end', ends);
    socket.on('close', ends);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error;
    });
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connectTcp({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true });
    return RawConnection.#whenReady(socket, 'connect');
  }

  static async openTls(port: number, options: ConnectionOptions = {}): Promise<RawConnection> {
    const socket = connectTls({
      host: '127.0.0.1',
      port,
      servername: 'localhost',
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
      ...options,
    });
    return RawConnection.#whenReady(socket, 'secureConnect');
  }

  static async #whenReady(socket: Socket, event: string): Promise<RawConnection> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once(event, resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`closed before ${event}`)));
    const connection = new RawConnection(socket);
    await within(promise, `${event} to port ${socket.remotePort}`);
    return connection;
  }

  /** All that has come and was not read yet, one character per byte. */
  get unread(): string {
    if (this.#received.length > 0) {
      this.#text += Buffer.concat(this.#received).toString('latin1');
      this.#received = [];
    }
    return this.#text.slice(this.#offset);
  }

  send(text: string | Uint8Array): this {
    if (!this.socket.destroyed) {
      this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
    }
    return this;
  }

  /** Sends FIN. */
  end(): this {
    this.socket.end();
    return this;
  }

  /** The next response, interim ones included. */
  async response(options: { toHead?: boolean; timeoutMs?: number } = {}): Promise<Response> {
    const { toHead = false, timeoutMs } = options;
    const message = await until(
      () => {
        const text = this.unread;
        const isHead = toHead && !/^HTTP\/1\.1 1/.test(text);
        const found = readMessage(text, 0, this.isEnded, isHead);
        if (found === undefined && this.isEnded) {
          throw new Error(`closed in the middle of a response: ${JSON.stringify(text)}`);
        }
        return found;
      },
      'a response',
      timeoutMs,
      this.#changed,
    );
    this.#offset += message.end;
    return asResponse(message);
  }

  /** Sends, and takes the next response. */
  request(text: string): Promise<Response> {
    return this.send(text).response();
  }

  /** Resolves when the peer has closed, with all that came before it. */
  async closed(timeoutMs = PATIENCE_MS): Promise<string> {
    await until(() => this.isEnded, 'the peer to close', timeoutMs, this.#changed);
    const rest = this.unread;
    this.#offset += rest.length;
    return rest;
  }

  /** Takes what has come of a tunnel once it contains the text. */
  async until(text: string): Promise<string> {
    const what = `${JSON.stringify(text)} to arrive`;
    await until(() => this.unread.includes(text), what, PATIENCE_MS, this.#changed);
    const end = this.unread.indexOf(text) + text.length;
    const taken = this.unread.slice(0, end);
    this.#offset += end;
    return taken;
  }

  /** Resolves when something has come. */
  readonly #changed = (): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onChange = resolve;
    return promise;
  };

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
