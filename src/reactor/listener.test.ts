import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { eventually, Recorder, sleep } from '../../test/reactor/recorder.ts';
import { SluiceError } from '../base/errors.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { liveNativeCounts } from '../native/counters.ts';
import { closeDescriptor, openListeningSockets } from '../native/sockets.ts';
import type { Listener, ListenerCounts } from './listener.ts';
import { Reactor } from './reactor.ts';

const CHILD = path.resolve(import.meta.dirname, '../../test/reactor/accepting-child.ts');

let folder: string;
let reactor: Reactor;
let fdsBefore: number;

before(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'sluice-listener-'));
});
after(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  fdsBefore = liveNativeCounts().fd ?? 0;
  reactor = new Reactor();
});
afterEach(async () => {
  await reactor.close();
  assert.equal(liveNativeCounts().fd, fdsBefore, 'no descriptor is leaked');
});

function echoOn(address: SocketAddress): { listener: Listener; served: Recorder[] } {
  const served: Recorder[] = [];
  const listener = reactor.listen({ address }, (socket) => {
    const recorder = new Recorder();
    recorder.socket = socket;
    recorder.whenData = (buffer, length) => socket.writeNative(buffer, length);
    recorder.whenEnded = () => socket.shutdownWrite();
    served.push(recorder);
    return recorder;
  });
  return { listener, served };
}

async function answerFrom(address: SocketAddress): Promise<Recorder> {
  const client = new Recorder();
  client.socket = reactor.connect(address, client);
  client.socket.write(Buffer.from('ping'));
  client.socket.shutdownWrite();
  await client.closed();
  return client;
}

const shortage = () =>
  new SluiceError('out-of-resources', 'mmap: run out (ENOMEM)', { blame: 'internal' });

describe('what we have run out of', () => {
  it('costs the connection that wanted it, is told, and accepting goes on', async () => {
    const told: string[] = [];
    reactor.onShortage = ({ message }) => told.push(message);
    let isShort = true;
    const listener = reactor.listen({ address: { host: '127.0.0.1', port: 0 } }, (socket) => {
      if (isShort) throw shortage();
      const recorder = new Recorder();
      recorder.whenData = (buffer, length) => socket.writeNative(buffer, length);
      recorder.whenEnded = () => socket.shutdownWrite();
      return recorder;
    });
    const address = { host: '127.0.0.1', port: listener.port };
    assert.equal((await answerFrom(address)).content, '');
    isShort = false;
    assert.equal((await answerFrom(address)).content, 'ping');
    assert.deepEqual(told, ['mmap: run out (ENOMEM)']);
  });

  it('costs a connection on which there is something to do, and no other', async () => {
    let isShort = true;
    const errors: (string | undefined)[] = [];
    const listener = reactor.listen({ address: { host: '127.0.0.1', port: 0 } }, (socket) => {
      const recorder = new Recorder();
      recorder.whenData = (buffer, length) => {
        if (isShort) throw shortage();
        socket.writeNative(buffer, length);
      };
      recorder.whenEnded = () => socket.shutdownWrite();
      void recorder.closed().then(() => errors.push(recorder.error?.blame));
      return recorder;
    });
    const address = { host: '127.0.0.1', port: listener.port };
    assert.equal((await answerFrom(address)).content, '');
    await eventually(() => errors.length === 1, 'the end of it');
    assert.deepEqual(errors, ['internal']);
    isShort = false;
    assert.equal((await answerFrom(address)).content, 'ping');
  });
});

describe('a listener', () => {
  it('serves IPv4', async () => {
    const { listener, served } = echoOn({ host: '127.0.0.1', port: 0 });
    const client = await answerFrom({ host: '127.0.0.1', port: listener.port });
    assert.equal(client.content, 'ping');
    assert.equal(served[0]!.socket.remoteAddress, '127.0.0.1');
    assert.equal(listener.address, '127.0.0.1');
  });

  it('serves IPv6', async (t) => {
    if (!existsSync('/proc/net/if_inet6')) {
      t.skip('this machine has no IPv6');
      return;
    }
    const { listener, served } = echoOn({ host: '::1', port: 0 });
    const client = await answerFrom({ host: '::1', port: listener.port });
    assert.equal(client.content, 'ping');
    assert.equal(served[0]!.socket.remoteAddress, '::1');
  });

  it('shows an IPv4 peer of a dual-stack socket by its IPv4 address', async (t) => {
    if (!existsSync('/proc/net/if_inet6')) {
      t.skip('this machine has no IPv6');
      return;
    }
    const { listener, served } = echoOn({ host: '::', port: 0 });
    await answerFrom({ host: '127.0.0.1', port: listener.port });
    assert.equal(served[0]!.socket.remoteAddress, '127.0.0.1');
  });

  it('serves a UNIX path and removes its file at the end', async () => {
    const file = path.join(folder, 'echo.sock');
    const { listener, served } = echoOn({ path: file });
    const client = await answerFrom({ path: file });
    assert.equal(client.content, 'ping');
    assert.equal(served[0]!.socket.remoteAddress, 'unix');
    assert.equal(served[0]!.socket.remotePort, 0);
    listener.close();
    assert.equal(existsSync(file), false);
  });

  it('takes over the path of a process that died', async () => {
    const file = path.join(folder, 'stale.sock');
    const opened = openListeningSockets({ path: file }, 1);
    closeDescriptor(opened.fds[0]!);
    assert.equal(existsSync(file), true, 'the file stays behind');
    echoOn({ path: file });
    assert.equal((await answerFrom({ path: file })).content, 'ping');
  });

  it('does not take a path that is in use, or a file that is no socket', () => {
    const file = path.join(folder, 'busy.sock');
    echoOn({ path: file });
    assert.throws(() => echoOn({ path: file }), { code: 'address-in-use' });
    const plain = path.join(folder, 'plain');
    writeFileSync(plain, 'precious');
    assert.throws(() => echoOn({ path: plain }), { code: 'address-in-use' });
    assert.equal(existsSync(plain), true);
  });

  it('closes at once what its owner refuses, and counts it', async () => {
    const listener = reactor.listen({ address: { host: '127.0.0.1', port: 0 } }, () => null);
    const client = new Recorder();
    client.socket = reactor.connect({ host: '127.0.0.1', port: listener.port }, client);
    await client.saw('end');
    const expected: ListenerCounts = { accepted: 1, refused: 1, failed: 0, pauses: 0 };
    assert.deepEqual(listener.counts, expected);
  });

  it('may be closed while it accepts; what it has accepted goes on', async () => {
    const { listener, served } = echoOn({ host: '127.0.0.1', port: 0 });
    const client = new Recorder();
    client.socket = reactor.connect({ host: '127.0.0.1', port: listener.port }, client);
    await eventually(() => served.length === 1, 'the connection is accepted');
    listener.close();
    client.socket.write(Buffer.from('still here'));
    await client.until(() => client.content === 'still here');
    const late = new Recorder();
    reactor.connect({ host: '127.0.0.1', port: listener.port }, late);
    await late.closed();
    assert.equal(late.error?.code, 'connection-refused');
  });

  it('can take all that waits before it closes', async () => {
    const { listener, served } = echoOn({ host: '127.0.0.1', port: 0 });
    const clients = Array.from({ length: 150 }, () => {
      const client = new Recorder();
      client.socket = reactor.connect({ host: '127.0.0.1', port: listener.port }, client);
      client.socket.write(Buffer.from('just in time'));
      return client;
    });
    listener.acceptWaiting();
    listener.close();
    assert.equal(served.length, 150);
    for (const client of clients) await client.until(() => client.content === 'just in time');
    for (const client of clients) client.socket.destroy();
  });

  it('once closed costs nothing while another process holds the same socket', async () => {
    const { fds, port } = openListeningSockets({ host: '127.0.0.1', port: 0 }, 1);
    const fd = fds[0]!;
    const holder = spawn('sleep', ['30'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
    await once(holder, 'spawn');
    reactor.listen({ fd }, () => assert.fail('nothing is accepted any more')).close();
    const waiting = new Recorder();
    waiting.socket = reactor.connect({ host: '127.0.0.1', port }, waiting);
    await waiting.saw('connect');
    const before = performance.eventLoopUtilization();
    await sleep(50);
    const { utilization } = performance.eventLoopUtilization(before);
    holder.kill('SIGKILL');
    assert.ok(utilization < 0.5, `the loop was busy for ${utilization} of the time`);
    waiting.socket.destroy();
    await waiting.closed();
  });

  it('survives 2,000 connections at once', async () => {
    const { listener, served } = echoOn({ host: '127.0.0.1', port: 0 });
    const clients = Array.from({ length: 2_000 }, () => {
      const client = new Recorder();
      client.socket = reactor.connect({ host: '127.0.0.1', port: listener.port }, client);
      client.socket.write(Buffer.from('storm'));
      return client;
    });
    await eventually(() => clients.every((client) => client.content === 'storm'), 'all answered');
    assert.equal(reactor.openCount, 4_001);
    for (const client of clients) client.socket.shutdownWrite();
    await eventually(() => reactor.openCount === 1, 'all are closed');
    assert.equal(listener.counts.accepted, 2_000);
    for (const recorder of [...clients, ...served]) assert.equal(recorder.error, null);
  });
});

describe('listening sockets for several processes', () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  async function worker(fd: number, limit = ''): Promise<ChildProcess> {
    const node = `exec "${process.execPath}" --disable-warning=ExperimentalWarning "${CHILD}"`;
    const child = spawn('/bin/sh', ['-c', `${limit}${node}`], {
      stdio: ['ignore', 'inherit', 'inherit', fd, 'ipc'],
    });
    children.push(child);
    const [message] = await once(child, 'message');
    assert.equal(message, 'ready');
    return child;
  }

  async function greeting(address: SocketAddress): Promise<string> {
    const client = new Recorder();
    client.socket = reactor.connect(address, client);
    await client.saw('data');
    client.socket.destroy();
    await client.closed();
    return client.content;
  }

  it('share one port, and a second program cannot take it', async () => {
    const { fds, port } = openListeningSockets({ host: '127.0.0.1', port: 0 }, 2);
    assert.equal(new Set(fds).size, 2);
    assert.throws(() => openListeningSockets({ host: '127.0.0.1', port }, 2), {
      code: 'address-in-use',
      message: new RegExp(`127\\.0\\.0\\.1 port ${port}`),
    });
    const workers = [await worker(fds[0]!), await worker(fds[1]!)];
    const seen = new Set<string>();
    for (let count = 0; count < 60; count++) seen.add(await greeting({ host: '127.0.0.1', port }));
    assert.deepEqual([...seen].sort(), workers.map((child) => `${child.pid}`).sort());
    for (const fd of fds) closeDescriptor(fd);
  });

  it('keep connections waiting for the replacement of a worker that died', async () => {
    const { fds, port } = openListeningSockets({ host: '127.0.0.1', port: 0 }, 1);
    const first = await worker(fds[0]!);
    assert.equal(await greeting({ host: '127.0.0.1', port }), `${first.pid}`);
    first.kill('SIGKILL');
    await once(first, 'exit');
    const waiting = greeting({ host: '127.0.0.1', port });
    const second = await worker(fds[0]!);
    assert.equal(await waiting, `${second.pid}`);
    closeDescriptor(fds[0]!);
  });

  it('share one socket of a UNIX path', async () => {
    const file = path.join(folder, 'shared.sock');
    const { fds } = openListeningSockets({ path: file }, 2);
    assert.equal(fds[0], fds[1]);
    const workers = [await worker(fds[0]!), await worker(fds[1]!)];
    const pids = workers.map((child) => `${child.pid}`);
    for (let count = 0; count < 5; count++) {
      assert.ok(pids.includes(await greeting({ path: file })));
    }
    closeDescriptor(fds[0]!);
  });

  it('wait, and serve everyone in the end, when a worker is out of descriptors', async () => {
    const { fds, port } = openListeningSockets({ host: '127.0.0.1', port: 0 }, 1);
    const child = await worker(fds[0]!, 'ulimit -n 60; ');
    const clients = Array.from({ length: 80 }, () => {
      const client = new Recorder();
      client.socket = reactor.connect({ host: '127.0.0.1', port }, client);
      client.whenData = () => void sleep(150).then(() => client.socket.destroy());
      return client;
    });
    await eventually(() => clients.every((client) => client.isClosed), 'all are served');
    for (const client of clients) assert.equal(client.content, `${child.pid}`);
    child.send('counts');
    const [counts] = (await once(child, 'message')) as [ListenerCounts];
    assert.equal(counts.accepted, 80);
    assert.ok(counts.pauses >= 1, 'it was out of descriptors');
    assert.ok(counts.pauses < 40, 'it did not spin');
    closeDescriptor(fds[0]!);
  });
});

describe('an address', () => {
  const codeOf = (address: SocketAddress) => {
    try {
      echoOn(address).listener.close();
      return '';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };

  it('that is no address of this machine is named in the error', () => {
    assert.equal(codeOf({ host: '192.0.2.1', port: 0 }), 'address-unavailable');
    assert.throws(() => echoOn({ host: '192.0.2.1', port: 80 }), /192\.0\.2\.1 port 80/);
  });

  it('that is malformed is refused before anything is opened', () => {
    assert.equal(codeOf({ host: 'localhost', port: 0 }), 'address-invalid');
    assert.equal(codeOf({ host: '127.0.0.256', port: 0 }), 'address-invalid');
    assert.equal(codeOf({ host: ':::', port: 0 }), 'address-invalid');
    assert.equal(codeOf({ host: '127.0.0.1', port: 65_536 }), 'address-invalid');
    assert.equal(codeOf({ host: '1'.repeat(10_000), port: 0 }), 'address-invalid');
    assert.equal(codeOf({ path: '/'.repeat(108) }), 'address-invalid');
    assert.equal(codeOf({ path: '' }), 'address-invalid');
  });
});
