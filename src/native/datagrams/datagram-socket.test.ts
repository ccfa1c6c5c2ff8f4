import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { until } from '../../../test/support/waiting.ts';
import { markSteeredId } from '../../base/steered-ids.ts';
import type { DatagramBatch, DatagramSink, ReceivedDatagram } from '../../quic/contracts.ts';
import { liveNativeCounts } from '../counters.ts';
import { Errno } from '../errno.ts';
import { NativeBuffer } from '../memory.ts';
import { localAddress } from '../sockets.ts';
import { DatagramPath } from './datagram-path.ts';
import { DatagramSocket, openDatagramSocket, type SendMessage } from './datagram-socket.ts';
import { steerByConnectionId } from './reuseport-program.ts';

function open(host = '127.0.0.1', port = 0, send?: SendMessage): DatagramSocket {
  return new DatagramSocket(openDatagramSocket({ host, port }), send);
}

/** The way to a socket of this machine, without an address of ours. */
function pathTo(host: string, port: number): DatagramPath {
  const bytes = Buffer.alloc(host.includes(':') ? 28 : 16);
  bytes.writeUInt16LE(host.includes(':') ? 10 : 2, 0);
  bytes.writeUInt16BE(port, 2);
  if (host === '::1') bytes[23] = 1;
  else if (host.startsWith('::ffff:')) {
    bytes.fill(0xff, 18, 20);
    bytes.set(host.slice(7).split('.').map(Number), 20);
  } else bytes.set(host.split('.').map(Number), 4);
  return new DatagramPath(`${host} ${port}`, bytes, new Uint8Array());
}

interface Got {
  readonly text: string;
  readonly ecn: number;
  readonly path: DatagramPath;
}

/** Waits for so many datagrams. */
async function take(socket: DatagramSocket, count: number): Promise<Got[]> {
  const got: Got[] = [];
  await until(() => {
    socket.receive((datagram) => {
      // What the QUIC core is given.
      const { bytes, start, end, ecn }: ReceivedDatagram = datagram;
      const text = Buffer.from(bytes.subarray(start, end)).toString('latin1');
      got.push({ text, ecn, path: datagram.path });
    });
    return got.length >= count;
  }, `${count} datagrams`);
  return got;
}

function batch(
  content: Uint8Array,
  path: DatagramPath,
  segmentBytes = content.length,
  ecn: 0 | 1 | 2 | 3 = 0,
): DatagramBatch {
  return { bytes: content, length: content.length, segmentBytes, path, ecn };
}

describe('a datagram socket', () => {
  it('sends many datagrams at once, and receives them as many', async () => {
    using from = open();
    using to = open();
    const sink: DatagramSink = from;
    const memory = NativeBuffer.allocate(65_536);
    for (const [segmentBytes, length] of [
      [1_200, 12_000],
      [1_200, 12_345],
      [1_452, 60_000],
      [1_200, 700],
      [100, 10_000],
    ] as const) {
      const content = randomBytes(length);
      memory.bytes.set(content);
      for (const bytes of [memory.bytes, content]) {
        const path = pathTo('127.0.0.1', to.port);
        assert.equal(sink.send({ bytes, length, segmentBytes, path, ecn: 0 }), 'sent');
        const count = Math.ceil(length / segmentBytes);
        const got = await take(to, count);
        assert.equal(got.length, count);
        assert.equal(got.map(({ text }) => text).join(''), content.toString('latin1'));
        assert.ok(got.slice(0, -1).every(({ text }) => text.length === segmentBytes));
      }
    }
    assert.equal(from.isSegmenting, true);
    memory[Symbol.dispose]();
  });

  it('knows a peer again as the same object, and its address', async () => {
    using from = open();
    using other = open();
    using to = open();
    const path = pathTo('127.0.0.1', to.port);
    for (const socket of [from, other, from]) socket.send(batch(Buffer.from('x'), path));
    const [first, second, third] = await take(to, 3);
    assert.equal(first!.path, third!.path);
    assert.notEqual(first!.path, second!.path);
    assert.deepEqual([...first!.path.peerIp], [127, 0, 0, 1]);
    assert.equal(first!.path.peerPort, from.port);
    assert.equal(to.send(batch(Buffer.from('answer'), first!.path)), 'sent');
    assert.equal((await take(from, 1))[0]!.text, 'answer');
  });

  it('carries the marks of ECN both ways, of both families, also in one send of many', async () => {
    for (const [listening, host] of [
      ['127.0.0.1', '127.0.0.1'],
      ['::1', '::1'],
      ['::', '127.0.0.1'],
    ] as const) {
      using to = open(listening);
      using from = open(host);
      for (const ecn of [0, 1, 2, 3] as const) {
        from.send(batch(Buffer.alloc(3_000, 1), pathTo(host, to.port), 1_000, ecn));
        const got = await take(to, 3);
        assert.deepEqual(
          got.map((one) => one.ecn),
          [ecn, ecn, ecn],
          `${listening} ${ecn}`,
        );
        to.send(batch(Buffer.from('answer'), got[0]!.path, 6, ecn));
        assert.equal((await take(from, 1))[0]!.ecn, ecn, `back from ${listening}`);
      }
    }
  });

  it('of all addresses answers from the one that was asked', async () => {
    for (const listening of ['0.0.0.0', '::']) {
      using to = open(listening);
      for (const asked of ['127.0.0.1', '127.0.0.2', ...(listening === '::' ? ['::1'] : [])]) {
        using from = open(asked === '::1' ? '::1' : '127.0.0.1');
        from.send(batch(Buffer.from('who?'), pathTo(asked, to.port)));
        const [question] = await take(to, 1);
        assert.equal(question!.path.peerIp.length, asked === '::1' ? 16 : 4);
        assert.equal(to.send(batch(Buffer.alloc(2_000, 1), question!.path, 1_000)), 'sent');
        const [answer] = await take(from, 2);
        const ip = Buffer.from(answer!.path.peerIp);
        const text = asked === '::1' ? `0000000000000000000000000000000100`.slice(0, 32) : '';
        if (asked === '::1') assert.equal(ip.toString('hex'), text.padStart(32, '0'));
        else assert.equal(ip.join('.'), asked);
      }
    }
  });

  it('goes on one by one at once where the network card cannot segment', async () => {
    for (const errno of [Errno.EIO, Errno.EINVAL, Errno.EMSGSIZE]) {
      using to = open();
      let calls = 0;
      using plain = open();
      // Whatever goes with UDP_SEGMENT fails, as with a driver that promised too much.
      using from = open('127.0.0.1', 0, (fd, message, flags) => {
        calls++;
        return from.isSegmenting && calls === 1 ? -errno : sendThrough(fd, message, flags);
      });
      const content = randomBytes(5_000);
      assert.equal(from.send(batch(content, pathTo('127.0.0.1', to.port), 1_000)), 'sent');
      const got = await take(to, errno === Errno.EMSGSIZE ? 6 : 5);
      const texts = new Set(got.map(({ text }) => text));
      assert.equal([...texts].join(''), content.toString('latin1'), 'nothing is missing');
      assert.equal(from.isSegmenting, false);
      assert.equal(plain.isSegmenting, true, 'other sockets may');
    }
  });

  it('says what became of a batch', () => {
    const path = pathTo('127.0.0.1', 9);
    using large = open();
    assert.equal(large.send(batch(Buffer.alloc(65_520), path)), 'tooLarge');
    assert.equal(large.isSegmenting, true);
    for (const [errno, outcome] of [
      [Errno.EAGAIN, 'blocked'],
      [Errno.ENETUNREACH, 'failed'],
      [Errno.EMSGSIZE, 'tooLarge'],
    ] as const) {
      using socket = open('127.0.0.1', 0, () => -errno);
      assert.equal(socket.send(batch(Buffer.alloc(3_000, 1), path, 1_000)), outcome);
      assert.equal(socket.isSegmenting, true, 'that says nothing about segments');
    }
  });

  it('refuses a port that is taken, unless all share it', () => {
    const first = openDatagramSocket({ host: '127.0.0.1', port: 0 }, { reusePort: true });
    const { port } = localAddress(first);
    const address = { host: '127.0.0.1', port };
    assert.throws(() => openDatagramSocket(address), { code: 'address-in-use' });
    using second = new DatagramSocket(openDatagramSocket(address, { reusePort: true }));
    assert.equal(second.port, port);
    new DatagramSocket(first)[Symbol.dispose]();
    assert.throws(() => openDatagramSocket({ host: '192.0.2.1', port: 0 }), {
      code: 'address-unavailable',
    });
  });
});

/** A send of its own, as the kernel does it. */
const { libc } = await import('../libc-table.ts');
function sendThrough(fd: number, message: bigint, flags: number): number {
  return libc.direct.sendmsg(fd, message, flags);
}

describe('sockets that share a port', () => {
  it('get the datagrams whose connection ID names them, and new ones by generation', async () => {
    const steering = { slots: 2, generations: 3, current: 1, others: [2] };
    const count = steering.slots * steering.generations;
    const sockets: DatagramSocket[] = [];
    let port = 0;
    for (let i = 0; i < count; i++) {
      const fd = openDatagramSocket({ host: '127.0.0.1', port }, { reusePort: true });
      const socket = new DatagramSocket(fd);
      sockets.push(socket);
      port = socket.port;
    }
    steerByConnectionId(sockets[2]!.fd, steering);
    const path = pathTo('127.0.0.1', port);
    const client = open();
    // Which socket each datagram is for, by what it says.
    const due = new Map<string, number>();
    const send = (datagram: Buffer, index: number) => {
      due.set(datagram.toString('latin1'), index);
      client.send(batch(datagram, path));
    };
    for (let round = 0; round < 96; round++) {
      const id = randomBytes(8);
      const fresh = 2 + (id[0]! % 2);
      const long = (first: number, ofId: Uint8Array) =>
        Buffer.from([first, 0, 0, 0, 1, ofId.length, ...ofId, 0, round]);
      // What a client has chosen, of this length or another, in Initial and 0-RTT.
      for (const first of [0xc0, 0xd0]) send(long(first, Buffer.concat([id, id])), fresh);
      id[1] = id[0]! ^ id[3]!;
      send(long(0xc0, id), fresh);
      const index = round % count;
      markSteeredId(id, { index, count });
      assert.equal(id[0]! % count, index);
      // Nobody reads the first generation: its packets go to the current one.
      const kept = index < 2 ? index + 2 : index;
      for (const first of [0xc0, 0xd0, 0xe0]) send(long(first, id), kept);
      send(Buffer.from([0x40, ...id, round]), kept);
    }
    for (const [index, socket] of sockets.entries()) {
      const wanted = [...due.values()].filter((one) => one === index).length;
      const got = await take(socket, wanted);
      assert.equal(got.length, wanted);
      for (const { text } of got) assert.equal(due.get(text), index);
    }
    client.send(batch(Buffer.from([0xc0, 1, 2]), path));
    assert.equal((await take(sockets[0]!, 1))[0]!.text.length, 3, 'too short for an ID: the first');
    for (const socket of [...sockets, client]) socket[Symbol.dispose]();
  });
});

describe('native memory of datagrams', () => {
  it('is whole after thousands of them under a collector that runs all the time', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const before = liveNativeCounts().fd ?? 0;
    {
      using one = open();
      using other = open('::');
      const path = pathTo('127.0.0.1', other.port);
      for (let round = 0; round < 150; round++) {
        const content = randomBytes(1 + round * 80);
        const segmentBytes = 1 + (round % 7) * 200;
        if (Math.ceil(content.length / segmentBytes) > 60) continue;
        assert.equal(one.send(batch(content, path, segmentBytes)), 'sent');
        if (round % 5 === 0) collect();
        const got = await take(other, Math.ceil(content.length / segmentBytes));
        assert.equal(got.map(({ text }) => text).join(''), content.toString('latin1'));
        if (round % 7 === 0) collect();
        other.send(batch(content.subarray(0, 100), got[0]!.path));
        assert.equal((await take(one, 1))[0]!.text, content.toString('latin1', 0, 100));
      }
    }
    assert.equal(liveNativeCounts().fd ?? 0, before);
  });
});
