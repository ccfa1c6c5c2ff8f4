import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import net from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { eventually, nodeServer, Recorder, sleep } from '../../test/reactor/recorder.ts';
import { liveNativeCounts } from '../native/counters.ts';
import { nativeBytesLive } from '../native/memory.ts';
import { closeDescriptor, localAddress, openListeningSocket } from '../native/sockets.ts';
import type { StreamSocket } from './contract.ts';
import {
  BYTES_AT_ONCE_MAX,
  BYTES_AT_ONCE_MIN,
  OUTPUT_HIGH_WATER_BYTES,
  READ_BYTES_PER_TURN_MAX,
  RECEIVE_BYTES,
  TURN_MS_MAX,
} from './limits.ts';
import { Reactor } from './reactor.ts';

const LOOPBACK = { host: '127.0.0.1', port: 0 };

let reactor: Reactor;
let countsBefore: Record<string, number>;
let bytesBefore: number;

beforeEach(() => {
  countsBefore = liveNativeCounts();
  bytesBefore = nativeBytesLive();
  reactor = new Reactor();
});

afterEach(async () => {
  await reactor.close();
  const counts = liveNativeCounts();
  for (const [kind, count] of Object.entries(counts)) {
    assert.equal(count, countsBefore[kind] ?? 0, `no ${kind} is leaked`);
  }
  assert.equal(nativeBytesLive(), bytesBefore, 'no native memory is leaked');
});

/** Listens with a recorder per connection; `prepare` sets what it does. */
function serve(prepare: (recorder: Recorder) => void): { port: number; served: Recorder[] } {
  const served: Recorder[] = [];
  const listener = reactor.listen({ address: LOOPBACK }, (socket) => {
    const recorder = new Recorder();
    recorder.socket = socket;
    served.push(recorder);
    prepare(recorder);
    return recorder;
  });
  return { port: listener.port, served };
}

function connectTo(port: number, prepare: (recorder: Recorder) => void = () => {}): Recorder {
  const recorder = new Recorder();
  prepare(recorder);
  recorder.socket = reactor.connect({ host: '127.0.0.1', port }, recorder);
  return recorder;
}

function echo(recorder: Recorder): void {
  recorder.whenData = (buffer, length) => recorder.socket.writeNative(buffer, length);
  recorder.whenEnded = () => recorder.socket.shutdownWrite();
}

/** Writes `total` bytes as fast as backpressure lets it; returns the most that was pending. */
function pump(socket: StreamSocket, recorder: Recorder, total: number): () => number {
  const block = Buffer.alloc(65_536, 'p');
  let left = total;
  let pendingMax = 0;
  const go = () => {
    while (left > 0) {
      left -= block.length;
      const goesOn = socket.write(block);
      pendingMax = Math.max(pendingMax, socket.pendingBytes);
      if (!goesOn) return;
    }
    socket.shutdownWrite();
  };
  recorder.whenDrained = go;
  go();
  return () => pendingMax;
}

describe('a socket', () => {
  it('carries bytes both ways and tells both ends in order', async () => {
    const { port, served } = serve(echo);
    const client = connectTo(port);
    client.whenConnected = () => client.socket.write(Buffer.from('hello'));
    client.whenData = () => client.socket.shutdownWrite();
    await client.closed();
    await served[0]!.closed();
    assert.equal(client.content, 'hello');
    assert.deepEqual(client.events, ['connect', 'data', 'end', 'close']);
    assert.deepEqual(served[0]!.events, ['data', 'end', 'close']);
  });

  it('knows both addresses, after the end too', async () => {
    const { port, served } = serve(echo);
    const client = connectTo(port);
    assert.equal(client.socket.remoteAddress, '');
    await client.saw('connect');
    assert.equal(client.socket.remoteAddress, '127.0.0.1');
    assert.equal(client.socket.remotePort, port);
    await eventually(() => served.length === 1, 'the connection is accepted');
    const server = served[0]!.socket;
    assert.equal(server.localPort, port);
    assert.equal(client.socket.localPort, server.remotePort);
    client.socket.destroy();
    await served[0]!.saw('end');
    assert.equal(server.remoteAddress, '127.0.0.1');
  });

  it('sends what was written before it was connected', async () => {
    const { port, served } = serve(() => {});
    const client = connectTo(port);
    client.socket.write(Buffer.from('early '));
    client.socket.write(Buffer.from('bird'));
    client.socket.shutdownWrite();
    await eventually(() => served[0]?.events.includes('end') === true, 'the end arrives');
    assert.equal(served[0]!.content, 'early bird');
  });

  it('pauses between reads and loses nothing', async () => {
    const { port, served } = serve(() => {});
    const client = connectTo(port);
    await client.saw('connect');
    await eventually(() => served.length === 1, 'the connection is accepted');
    const server = served[0]!;
    server.whenData = () => {
      server.socket.pauseReading();
      setTimeout(() => server.socket.resumeReading(), 5);
    };
    for (const part of ['one ', 'two ', 'three']) {
      client.socket.write(Buffer.from(part));
      await sleep(2);
    }
    client.socket.shutdownWrite();
    await server.saw('end');
    assert.equal(server.content, 'one two three');
  });

  it('hears nothing while paused', async () => {
    const { port, served } = serve((server) => server.socket.pauseReading());
    const client = connectTo(port);
    client.socket.write(Buffer.from('patience'));
    client.socket.shutdownWrite();
    await client.saw('connect');
    await eventually(() => served.length === 1, 'the connection is accepted');
    await sleep(30);
    assert.deepEqual(served[0]!.events, []);
    served[0]!.socket.resumeReading();
    await served[0]!.saw('end');
    assert.deepEqual(served[0]!.events, ['data', 'end']);
  });

  it('can pause and resume inside onData', async () => {
    const { port, served } = serve((server) => {
      server.whenData = () => {
        server.socket.pauseReading();
        server.socket.resumeReading();
      };
    });
    const client = connectTo(port);
    pump(client.socket, client, 1 << 20);
    await eventually(() => served[0]?.events.includes('end') === true, 'the end arrives');
    assert.equal(served[0]!.bytes, 1 << 20);
  });

  it('lets promises, ticks, timers and files go on between its calls', async () => {
    const order: string[] = [];
    const { port } = serve((server) => {
      server.whenData = () => {
        process.nextTick(() => order.push('tick'));
        void Promise.resolve().then(() => order.push('promise'));
        void readFile(import.meta.filename).then(() => {
          order.push('file');
          setTimeout(() => server.socket.write(Buffer.from('done')), 1);
        });
      };
    });
    const client = connectTo(port);
    client.socket.write(Buffer.from('go'));
    await client.until(() => client.content === 'done');
    assert.deepEqual(order, ['tick', 'promise', 'file']);
  });
});

describe('backpressure', () => {
  it('bounds what is pending for a reader that has paused', async () => {
    const total = 64 << 20;
    let pendingMax = () => 0;
    const { port, served } = serve((server) => {
      pendingMax = pump(server.socket, server, total);
    });
    const client = connectTo(port, (recorder) => {
      recorder.keepsContent = false;
    });
    client.socket.pauseReading();
    await client.saw('connect');
    await eventually(
      () => (served[0]?.socket.pendingBytes ?? 0) > OUTPUT_HIGH_WATER_BYTES,
      'the writer was told to wait',
    );
    await sleep(50);
    assert.ok(nativeBytesLive() - bytesBefore < 4 << 20, 'native memory stays small');
    client.socket.resumeReading();
    client.whenEnded = () => client.socket.shutdownWrite();
    await client.closed();
    assert.equal(client.bytes, total);
    assert.ok(pendingMax() <= OUTPUT_HIGH_WATER_BYTES + 65_536);
    assert.ok(served[0]!.events.includes('drain'));
  });

  it('asks for larger writes while the kernel takes them whole, and for small ones after', async () => {
    const { port, served } = serve((recorder) => {
      recorder.keepsContent = false;
    });
    const client = connectTo(port);
    await eventually(
      () => served.length === 1 && client.events.includes('connect'),
      'a connection',
    );
    const { socket } = client;
    assert.equal(socket.bytesAtOnce, BYTES_AT_ONCE_MIN);
    const sizes: number[] = [];
    await eventually(() => {
      if (socket.pendingBytes > 0) return false;
      sizes.push(socket.bytesAtOnce);
      socket.write(Buffer.alloc(socket.bytesAtOnce));
      return socket.bytesAtOnce === BYTES_AT_ONCE_MAX;
    }, 'the largest writes');
    assert.ok(sizes.includes(2 * BYTES_AT_ONCE_MIN), sizes.join());
    served[0]!.socket.pauseReading();
    while (socket.pendingBytes === 0) socket.write(Buffer.alloc(socket.bytesAtOnce));
    assert.equal(socket.bytesAtOnce, BYTES_AT_ONCE_MIN);
  });

  it('keeps the order of bytes over partial sends', async () => {
    const total = 8 << 20;
    const source = Buffer.alloc(total);
    for (let index = 0; index < total; index += 4) source.writeUInt32LE(index, index);
    const { port } = serve((server) => {
      let offset = 0;
      let size = 1;
      const go = () => {
        while (offset < total) {
          const part = source.subarray(offset, offset + size);
          offset += size;
          size = (size * 7 + 13) % 100_000;
          if (!server.socket.write(part)) return;
        }
        server.socket.shutdownWrite();
      };
      server.whenDrained = go;
      go();
    });
    const client = connectTo(port);
    await client.saw('end');
    assert.ok(Buffer.from(client.content, 'latin1').equals(source));
  });

  it('drops what is pending when the socket is destroyed', async () => {
    const { port, served } = serve((server) => server.socket.write(Buffer.alloc(32 << 20)));
    const client = connectTo(port);
    client.socket.pauseReading();
    await eventually(() => served.length === 1, 'the connection is accepted');
    served[0]!.socket.destroy();
    assert.equal(served[0]!.socket.pendingBytes, 0);
    await served[0]!.closed();
    assert.deepEqual(served[0]!.events, ['close']);
  });
});

describe('half-close', () => {
  it('by the peer leaves our side open', async () => {
    const { port } = serve((server) => {
      server.whenEnded = () => {
        server.socket.write(Buffer.from('after your end'));
        server.socket.shutdownWrite();
      };
    });
    const client = connectTo(port);
    client.whenConnected = () => client.socket.shutdownWrite();
    await client.closed();
    assert.equal(client.content, 'after your end');
    assert.deepEqual(client.events, ['connect', 'data', 'end', 'close']);
  });

  it('by us leaves the peer able to send', async () => {
    const peer = await nodeServer((socket) => {
      socket.on('end', () => socket.end('late answer'));
      socket.resume();
    });
    const client = connectTo(peer.port);
    client.socket.write(Buffer.from('question'));
    client.socket.shutdownWrite();
    await client.closed();
    assert.equal(client.content, 'late answer');
    assert.equal(client.error, null);
    peer.close();
  });

  it('waits for pending output', async () => {
    const { port } = serve((server) => {
      server.socket.write(Buffer.alloc(16 << 20, 'z'));
      server.socket.shutdownWrite();
    });
    const client = connectTo(port, (recorder) => {
      recorder.keepsContent = false;
    });
    await client.saw('end');
    assert.equal(client.bytes, 16 << 20);
  });

  it('drops what is written afterwards', async () => {
    const { port, served } = serve(() => {});
    const client = connectTo(port);
    client.socket.write(Buffer.from('kept'));
    client.socket.shutdownWrite();
    assert.equal(client.socket.write(Buffer.from('dropped')), true);
    await eventually(() => served[0]?.events.includes('end') === true, 'the end arrives');
    assert.equal(served[0]!.content, 'kept');
  });
});

describe('a broken connection', () => {
  it('is refused where nobody listens', async () => {
    const listener = reactor.listen({ address: LOOPBACK }, () => null);
    const { port } = listener;
    listener.close();
    const client = connectTo(port);
    await client.closed();
    assert.deepEqual(client.events, ['close connection-refused']);
    assert.equal(client.error?.blame, 'upstream');
    assert.equal(client.error?.retry, 'always');
  });

  it('is refused where no socket file is', async () => {
    const client = new Recorder();
    reactor.connect({ path: '/nonexistent/socket', blame: 'internal' }, client);
    assert.deepEqual(client.events, [], 'nothing is called before connect has returned');
    await client.closed();
    assert.deepEqual(client.events, ['close connection-refused']);
    assert.equal(client.error?.blame, 'internal');
  });

  it('tells its owner of a reset by the peer', async () => {
    const { port, served } = serve(() => {});
    const client = net.connect(port, '127.0.0.1');
    await once(client, 'connect');
    await eventually(() => served.length === 1, 'the connection is accepted');
    client.resetAndDestroy();
    await served[0]!.closed();
    assert.deepEqual(served[0]!.events, ['close connection-reset']);
    assert.equal(served[0]!.error?.blame, 'downstream');
  });

  it('tells its owner of a reset while reading is paused', async () => {
    const { port, served } = serve((server) => server.socket.pauseReading());
    const client = net.connect(port, '127.0.0.1');
    await once(client, 'connect');
    await eventually(() => served.length === 1, 'the connection is accepted');
    client.resetAndDestroy();
    await served[0]!.closed();
    assert.deepEqual(served[0]!.events, ['close connection-reset']);
  });

  it('tells its owner of a reset after the end of input', async () => {
    const { port, served } = serve(() => {});
    const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(client, 'connect');
    client.end();
    await eventually(() => served[0]?.events.includes('end') === true, 'the end arrives');
    client.resetAndDestroy();
    await served[0]!.closed();
    assert.deepEqual(served[0]!.events, ['end', 'close connection-reset']);
  });

  it('still gives what the peer had sent before it broke', async () => {
    const peer = await nodeServer((socket) => {
      socket.write('early answer');
      socket.once('data', () => socket.resetAndDestroy());
    });
    const client = connectTo(peer.port);
    client.socket.pauseReading();
    await client.saw('connect');
    client.socket.write(Buffer.from('a request whose answer is already there'));
    await sleep(20);
    for (let count = 0; count < 3; count++) client.socket.write(Buffer.alloc(1_000));
    await sleep(20);
    assert.deepEqual(client.events, ['connect'], 'input waits, so the end does too');
    client.socket.resumeReading();
    await client.closed();
    assert.equal(client.content, 'early answer');
    assert.equal(client.events.at(-1), 'close connection-reset');
    peer.close();
  });

  it('is reset by us so that the peer can tell', async () => {
    const { port } = serve((server) => {
      server.whenData = () => server.socket.reset();
    });
    const client = net.connect(port, '127.0.0.1');
    client.write('x');
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNRESET');
  });

  it('ends in order when we destroy it', async () => {
    const { port, served } = serve((server) => {
      server.whenData = () => server.socket.destroy();
    });
    const client = connectTo(port);
    client.socket.write(Buffer.from('x'));
    await client.saw('end');
    assert.deepEqual(served[0]!.events, ['data', 'close']);
    assert.equal(served[0]!.error, null);
    client.socket.destroy();
    assert.equal(client.socket.isClosed, true);
    assert.equal(client.events.at(-1), 'end', 'onClose comes in a later turn');
    await client.closed();
  });
});

describe('re-entrancy', () => {
  it('a socket destroyed inside onData hears nothing more of its input', async () => {
    const { port, served } = serve((server) => {
      server.whenData = () => server.socket.destroy();
    });
    const client = connectTo(port);
    client.socket.write(Buffer.alloc(4 * RECEIVE_BYTES));
    await client.closed();
    await served[0]!.closed();
    assert.deepEqual(served[0]!.events, ['data', 'close']);
    assert.ok(served[0]!.bytes <= RECEIVE_BYTES);
  });

  it('a socket may destroy others whose events are in the same batch', async () => {
    const { port, served } = serve((server) => {
      server.whenData = () => {
        for (const other of served) if (other !== server) other.socket.destroy();
      };
    });
    const clients = Array.from({ length: 20 }, () => connectTo(port));
    await eventually(() => served.length === 20, 'all are accepted');
    for (const client of clients) client.socket.write(Buffer.from('x'));
    await eventually(() => served.filter((server) => server.isClosed).length === 19, '19 close');
    assert.equal(served.filter((server) => server.bytes > 0).length, 1);
  });

  it('a slot that is taken again does not hear of its last user', async () => {
    // Its queue is full, so that a connect to it stays unanswered.
    const full = openListeningSocket(LOOPBACK, { backlog: 0 });
    const { port: fullPort } = localAddress(full);
    for (let count = 0; count < 4; count++) connectTo(fullPort);
    const newcomers: Recorder[] = [];
    const { port, served } = serve((server) => {
      server.whenData = () => {
        for (const other of served) if (other !== server) other.socket.destroy();
        // Takes the freed slots (and descriptors) while their stale events are still in the batch.
        for (let count = 0; count < 9; count++) newcomers.push(connectTo(fullPort));
      };
    });
    const clients = Array.from({ length: 10 }, () => connectTo(port));
    await eventually(() => served.length === 10, 'all are accepted');
    for (const client of clients) client.socket.write(Buffer.from('x'));
    await eventually(() => newcomers.length > 0, 'one is heard');
    await sleep(20);
    for (const newcomer of newcomers) assert.deepEqual(newcomer.events, []);
    closeDescriptor(full);
  });

  it('a write inside onDrain may fill the queue again', async () => {
    let drains = 0;
    const { port } = serve((server) => {
      server.whenDrained = () => {
        drains++;
        if (drains < 5) server.socket.write(Buffer.alloc(8 << 20));
        else server.socket.shutdownWrite();
      };
      server.socket.write(Buffer.alloc(8 << 20));
    });
    const client = connectTo(port, (recorder) => {
      recorder.keepsContent = false;
    });
    await client.saw('end');
    assert.equal(drains, 5);
    assert.equal(client.bytes, 5 * (8 << 20));
  });

  it('a socket may be destroyed inside onDrain and onConnect', async () => {
    const { port, served } = serve((server) => {
      server.whenDrained = () => server.socket.destroy();
      server.socket.write(Buffer.alloc(8 << 20));
    });
    const hasty = connectTo(port);
    hasty.whenConnected = () => hasty.socket.destroy();
    await hasty.closed();
    assert.deepEqual(hasty.events, ['connect', 'close']);
    const client = connectTo(port);
    await client.saw('end');
    await eventually(() => served.every((server) => server.isClosed), 'all are closed');
  });
});

describe('fairness', () => {
  it('a socket that always has input leaves the others their turn', async () => {
    const turns: string[] = [];
    const { port, served } = serve(() => {});
    const flood = connectTo(port);
    const other = connectTo(port);
    await eventually(() => served.length === 2, 'both are accepted');
    const peerOf = (client: Recorder) =>
      served.find((server) => server.socket.remotePort === client.socket.localPort)!;
    for (const client of [flood, other]) {
      const server = peerOf(client);
      server.keepsContent = false;
      server.whenData = (_buffer, length) => {
        turns.push(...new Array<string>(length).fill(client === flood ? 'f' : 'o'));
        // The flood never runs dry: it is fed as it is read.
        if (client === flood && turns.length < 8 << 20) flood.socket.write(Buffer.alloc(length));
      };
      server.socket.pauseReading();
    }
    flood.socket.write(Buffer.alloc(4 << 20));
    other.socket.write(Buffer.alloc(1_000));
    await sleep(20);
    for (const client of [flood, other]) peerOf(client).socket.resumeReading();
    await eventually(() => turns.includes('o'), 'the other is heard');
    assert.ok(turns.indexOf('o') <= READ_BYTES_PER_TURN_MAX + RECEIVE_BYTES);
  });

  it("Node's own timers fire while sockets are busy", async () => {
    const { port } = serve(echo);
    const clients = Array.from({ length: 16 }, () => connectTo(port));
    for (const client of clients) {
      client.keepsContent = false;
      client.whenData = (buffer, length) => client.socket.writeNative(buffer, length);
      client.socket.write(Buffer.alloc(RECEIVE_BYTES));
    }
    const gaps: number[] = [];
    let lastMs = performance.now();
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        const nowMs = performance.now();
        gaps.push(nowMs - lastMs);
        lastMs = nowMs;
        if (gaps.length === 40) {
          clearInterval(timer);
          resolve();
        }
      }, 1);
    });
    gaps.sort((left, right) => left - right);
    // A median is not moved by what else runs on the machine.
    assert.ok(gaps[20]! < 3 * TURN_MS_MAX, `every ${gaps[20]} ms`);
  });
});
