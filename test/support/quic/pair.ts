/** A client and a server on a fake wire. */
import { TransportConnection } from '../../../src/quic/connection/connection.ts';
import type { DialedPeer } from '../../../src/quic/connection/environment.ts';
import type { EndpointOptions } from '../../../src/quic/endpoint.ts';
import type { QuicLimits } from '../../../src/quic/limits.ts';
import { FakeApplication } from './fake-application.ts';
import { FakeTls, type FakeTlsOptions } from './fake-tls.ts';
import { FakeWire, type WireEnd, type WireOptions } from './fake-wire.ts';

type EndOptions = Partial<Omit<EndpointOptions, 'limits'>> & { limits?: Partial<QuicLimits> };

export interface PairOptions {
  readonly wire?: WireOptions;
  readonly client?: EndOptions;
  readonly server?: EndOptions;
  readonly clientTls?: FakeTlsOptions;
  readonly serverTls?: FakeTlsOptions;
  readonly peer?: Partial<DialedPeer>;
  /** What the client's application does when it may; the server's echoes whole streams by default. */
  readonly begin?: (application: FakeApplication) => void;
  readonly serve?: (application: FakeApplication) => void;
}

export class Pair {
  readonly wire: FakeWire;
  readonly clientEnd: WireEnd;
  readonly serverEnd: WireEnd;
  readonly connection: TransportConnection;
  readonly client: FakeApplication;
  /** The server's applications and TLS, in the order of their connections. */
  readonly servers: FakeApplication[] = [];
  readonly serverTls: FakeTls[] = [];
  readonly clientTls: FakeTls;

  constructor(options: PairOptions = {}) {
    this.wire = new FakeWire(options.wire);
    this.serverEnd = this.wire.add('server', {
      accept: () => {
        const tls = new FakeTls('server', options.serverTls);
        this.serverTls.push(tls);
        return {
          tls,
          trace: undefined,
          application: (connection) => {
            const application = new FakeApplication(connection);
            application.answer = (stream, content) => stream.write([content], true);
            options.serve?.(application);
            this.servers.push(application);
            return application;
          },
        };
      },
      ...options.server,
    });
    this.clientEnd = this.wire.add('client', options.client);
    this.clientTls = new FakeTls('client', options.clientTls);
    let client: FakeApplication | undefined;
    this.connection = this.clientEnd.endpoint.dial(
      {
        tls: this.clientTls,
        trace: undefined,
        application: (connection) => {
          client = new FakeApplication(connection);
          const made = client;
          made.begin = () => options.begin?.(made);
          return made;
        },
      },
      {
        path: this.wire.pathTo('server'),
        token: new Uint8Array(0),
        rememberedParameters: undefined,
        ...options.peer,
      },
      this.wire.nowMs,
    );
    this.client = client!;
  }

  get server(): FakeApplication {
    return this.servers[0]!;
  }

  /** The server's connection, for a look inside. */
  get serverConnection(): TransportConnection {
    const { connection } = this.server;
    if (!(connection instanceof TransportConnection)) throw new Error('another implementation');
    return connection;
  }

  /** Runs until both sides say that the handshake is confirmed. */
  confirm(withinMs = 10_000): boolean {
    return this.wire.run(
      () => this.client.isConfirmed && this.servers.some((one) => one.isConfirmed),
      withinMs,
    );
  }
}
