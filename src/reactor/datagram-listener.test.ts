import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { until } from '../../test/support/waiting.ts';
import { MESSAGES_PER_CALL, openDatagramSocket } from '../native/datagrams/datagram-socket.ts';
import { localAddress } from '../native/sockets.ts';
import type { DatagramListener } from './datagram-listener.ts';
import { Reactor } from './reactor.ts';

const LOOPBACK = { host: '127.0.0.1', port: 0 };

describe('a listener for datagrams', () => {
  it('hands datagrams up, ends each batch, and answers', async () => {
    const reactor = new Reactor();
    const events: string[] = [];
    let server!: DatagramListener;
    server = reactor.listenForDatagrams(openDatagramSocket(LOOPBACK), {
      onDatagram({ bytes, start, end, path }) {
        const text = Buffer.from(bytes.subarray(start, end)).toString();
        events.push(text);
        const answer = Buffer.from(`${text} to you`);
        const batch = { bytes: answer, length: answer.length, segmentBytes: answer.length };
        server.send({ ...batch, path, ecn: 0 });
      },
      onBatchEnd: () => events.push('.'),
      onWritable: () => {},
    });
    const { createSocket } = await import('node:dgram');
    const client = createSocket('udp4');
    const answers: string[] = [];
    client.on('message', (message) => answers.push(String(message)));
    for (const text of ['one', 'two', 'three']) client.send(text, server.port, '127.0.0.1');
    await until(() => answers.length === 3, 'three answers');
    assert.deepEqual(answers.toSorted(), ['one to you', 'three to you', 'two to you']);
    assert.equal(events.at(-1), '.');
    assert.deepEqual(events.filter((event) => event !== '.').toSorted(), ['one', 'three', 'two']);
    server.close();
    client.close();
    assert.equal(server.send({} as never), 'failed');
    await reactor.close();
  });

  it('hands up all that wait, however many more they are than one call takes', async () => {
    const { createSocket } = await import('node:dgram');
    const client = createSocket('udp4');
    const reactor = new Reactor();
    const fd = openDatagramSocket(LOOPBACK);
    const count = 2 * MESSAGES_PER_CALL + 1;
    const texts: number[] = [];
    let batches = 0;
    const { port } = localAddress(fd);
    const sent = Array.from({ length: count }, (_, i) => i);
    for (const i of sent) {
      await new Promise((resolve) => client.send(`${i}`, port, '127.0.0.1', resolve));
    }
    reactor.listenForDatagrams(fd, {
      onDatagram: ({ bytes, start, end }) =>
        texts.push(Number(Buffer.from(bytes.subarray(start, end)))),
      onBatchEnd: () => batches++,
      onWritable: () => {},
    });
    await until(() => texts.length === count, 'all datagrams');
    assert.deepEqual(texts, sent);
    assert.equal(batches, 1, 'in one turn');
    client.close();
    await reactor.close();
  });

  it('may be closed by its owner while it hands datagrams up', async () => {
    const reactor = new Reactor();
    let server!: DatagramListener;
    let count = 0;
    server = reactor.listenForDatagrams(openDatagramSocket(LOOPBACK), {
      onDatagram() {
        count++;
        server.close();
      },
      onBatchEnd: () => assert.fail('it is closed'),
      onWritable: () => {},
    });
    const { createSocket } = await import('node:dgram');
    const client = createSocket('udp4');
    for (let i = 0; i < 5; i++) client.send(`${i}`, server.port, '127.0.0.1');
    await until(() => count > 0, 'a datagram');
    assert.equal(count, 1);
    client.close();
    await reactor.close();
    assert.equal(reactor.openCount, 0);
  });
});
