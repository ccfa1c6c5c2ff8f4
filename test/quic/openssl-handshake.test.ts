/** The QUIC core with OpenSSL's handshake, client against server on a fake wire. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { SslContext } from '../../src/native/ssl-context.ts';
import type { SslSession } from '../../src/native/ssl-session.ts';
import type { HandshakeRecord } from '../../src/tls/contract.ts';
import type { QuicServerContext } from '../../src/tls/quic-context.ts';
import { QuicTlsEngine } from '../../src/tls/quic-engine.ts';
import { FakeApplication, type FakeStream } from '../support/quic/fake-application.ts';
import { FakeWire, type WireDatagram, type WireOptions } from '../support/quic/fake-wire.ts';
import { quicClient, quicServer } from '../tls/quic-wire.ts';
import { liveHandles } from '../tls/wire.ts';

after(() => assert.deepEqual(liveHandles(), {}, 'every native handle was freed'));

interface Meeting {
  readonly wire: FakeWire;
  readonly client: FakeApplication;
  readonly clientTls: QuicTlsEngine;
  readonly servers: FakeApplication[];
  readonly records: HandshakeRecord[];
  close(): void;
}

function meet(
  server: QuicServerContext,
  client: SslContext,
  begin: (application: FakeApplication) => void,
  options: { wire?: WireOptions; session?: SslSession } = {},
): Meeting {
  const wire = new FakeWire(options.wire);
  const servers: FakeApplication[] = [];
  const records: HandshakeRecord[] = [];
  const owner = { onHandshakeEnd: (record: HandshakeRecord) => void records.push(record) };
  const serverEnd = wire.add('server', {
    accept: () => ({
      tls: server.accept(owner, wire.clock),
      trace: undefined,
      application: (connection) => {
        const application = new FakeApplication(connection);
        application.answer = (stream, content) =>
          stream.write([Buffer.alloc(5_000, content[0])], true);
        servers.push(application);
        return application;
      },
    }),
  });
  const clientEnd = wire.add('client');
  const clientTls = new QuicTlsEngine({
    context: client,
    owner: { onHandshakeEnd: () => {} },
    clock: wire.clock,
    acceptance: null,
    prepare: (ssl) => ssl.setServerName('localhost'),
    ...(options.session === undefined ? {} : { session: options.session }),
  });
  let application!: FakeApplication;
  clientEnd.endpoint.dial(
    {
      tls: clientTls,
      trace: undefined,
      application: (connection) => {
        application = new FakeApplication(connection);
        application.begin = () => begin(application);
        return application;
      },
    },
    { path: wire.pathTo('server'), token: new Uint8Array(), rememberedParameters: undefined },
    wire.nowMs,
  );
  const close = () => {
    clientEnd.endpoint.abandon();
    serverEnd.endpoint.abandon();
  };
  return { wire, client: application, clientTls, servers, records, close };
}

describe('QUIC with the handshake of OpenSSL', () => {
  test('carries many streams at once, whatever the first packet of the handshake level ends', () => {
    using server = quicServer();
    using client = quicClient();
    // Without its acknowledgements, the client's Finished is in its first packet of the level.
    const withoutFirst = () => {
      let count = 0;
      return {
        pass: ({ from }: WireDatagram) => from === 'server' || ![2, 3, 4].includes(++count),
      };
    };
    for (const options of [{}, { lost: 0.05 }, withoutFirst()]) {
      const asked: (FakeStream | undefined)[] = [];
      const begin = (application: FakeApplication) => {
        for (let i = 0; i < 100; i++) asked.push(application.ask(Buffer.of(i)));
      };
      const meeting = meet(server, client, begin, { wire: options });
      const isDone = () => asked.length === 100 && asked.every((stream) => stream?.isEnded);
      assert.equal(meeting.wire.run(isDone), true);
      for (const [i, stream] of asked.entries()) {
        assert.deepEqual(stream!.content, Buffer.alloc(5_000, i));
      }
      assert.equal(meeting.records.length, 1);
      assert.equal(meeting.records[0]!.outcome, 'complete');
      assert.equal(meeting.client.isConfirmed && meeting.servers[0]!.isConfirmed, true);
      meeting.close();
    }
  });
});
