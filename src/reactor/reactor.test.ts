import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, it } from 'node:test';
import { eventually, Recorder, sleep } from '../../test/reactor/recorder.ts';
import { liveNativeCounts } from '../native/counters.ts';
import { nativeBytesLive } from '../native/memory.ts';
import { Reactor } from './reactor.ts';

function run(...args: string[]): { status: number | null; stderr: string } {
  const all = ['--disable-warning=ExperimentalWarning', ...args];
  return spawnSync(process.execPath, all, { encoding: 'utf8', timeout: 30_000 });
}

const THROWING = path.resolve(import.meta.dirname, '../../test/reactor/throwing-child.ts');

describe('a reactor', () => {
  for (const place of ['onAccept', 'onConnect', 'onData', 'onEnd', 'onClose', 'timer', 'defer']) {
    it(`ends the process with a stack when ${place} throws`, () => {
      const { status, stderr } = run(THROWING, place);
      assert.equal(status, 1);
      assert.match(stderr, new RegExp(`Error: a mistake in ${place}\\n\\s+at fault .*child\\.ts`));
    });
  }

  it('lets the process end by itself when nothing is open', () => {
    const file = path.resolve(import.meta.dirname, 'reactor.ts');
    const code = `
      const { Reactor } = await import(${JSON.stringify(file)});
      const reactor = new Reactor();
      const timer = reactor.timer(() => {});
      timer.arm(60_000);
      timer.cancel();
      reactor.listen({ address: { host: '127.0.0.1', port: 0 } }, () => null).close();
    `;
    const { status, stderr } = run('--input-type=module', '--eval', code);
    assert.equal(stderr, '');
    assert.equal(status, 0);
  });

  it('goes on after an exception that the program handles', async () => {
    const reactor = new Reactor();
    const order: string[] = [];
    const faults: unknown[] = [];
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.once('uncaughtException', (error) => faults.push(error));
    reactor.defer(() => order.push('first'));
    reactor.defer(() => {
      throw new Error('a mistake');
    });
    reactor.defer(() => order.push('third'));
    const deadlineMs = performance.now() + 30_000;
    while ((faults.length === 0 || order.length < 2) && performance.now() < deadlineMs) {
      await sleep(5);
    }
    for (const listener of listeners) process.on('uncaughtException', listener);
    assert.equal(faults.length, 1);
    assert.deepEqual(order, ['first', 'third']);
    await reactor.close();
  });

  it('runs what is deferred in order, and what is deferred meanwhile later', async () => {
    const reactor = new Reactor();
    const order: string[] = [];
    reactor.defer(() => {
      order.push('one');
      reactor.defer(() => order.push('three'));
    });
    reactor.defer(() => order.push('two'));
    assert.deepEqual(order, []);
    await eventually(() => order.length === 3, 'all three');
    assert.deepEqual(order, ['one', 'two', 'three']);
    await reactor.close();
  });

  it('does not hold up the loop when something always defers more', async () => {
    const reactor = new Reactor();
    let going = true;
    const again = () => {
      if (going) reactor.defer(again);
    };
    again();
    await sleep(10);
    going = false;
    await reactor.close();
  });

  it('fires its timers in time on the real clock', async () => {
    const reactor = new Reactor();
    const times: number[] = [];
    // The best of ten: on a busy machine any one of them may be late.
    while (times.length < 10 && !(times.at(-1)! < 160)) {
      const startMs = performance.now();
      const elapsedMs = await new Promise<number>((resolve) => {
        reactor.timer(() => resolve(performance.now() - startMs)).arm(60);
      });
      assert.ok(elapsedMs >= 60, `${elapsedMs} ms`);
      times.push(elapsedMs);
    }
    assert.ok(times.at(-1)! < 160, `${times.join(', ')} ms`);
    await reactor.close();
  });

  it('tells of what is no address as of any other failure to connect', async () => {
    const reactor = new Reactor();
    const before = reactor.openCount;
    for (const address of [
      { host: '2606:4700::1111%lo', port: 443 },
      { host: 'localhost', port: 443 },
      { host: '127.0.0.1\0', port: 443 },
      { host: '1'.repeat(10_000), port: 443 },
      { host: '127.0.0.1', port: 65_536 },
      { path: '/'.repeat(108) },
      { path: '' },
    ]) {
      const client = new Recorder();
      client.socket = reactor.connect(address, client);
      client.socket.write(Buffer.from('lost'));
      assert.deepEqual(client.events, [], 'not before it has returned');
      await client.saw('close address-invalid');
      client.socket.reset();
    }
    assert.equal(reactor.openCount, before);
    await reactor.close();
  });

  it('tells every socket when it closes, and frees everything', async () => {
    const before = { ...liveNativeCounts() };
    const bytesBefore = nativeBytesLive();
    const reactor = new Reactor();
    const served: Recorder[] = [];
    const listener = reactor.listen({ address: { host: '127.0.0.1', port: 0 } }, (socket) => {
      const recorder = new Recorder();
      recorder.socket = socket;
      socket.write(Buffer.alloc(16 << 20));
      served.push(recorder);
      return recorder;
    });
    const client = new Recorder();
    client.socket = reactor.connect({ host: '127.0.0.1', port: listener.port }, client);
    client.socket.pauseReading();
    await client.saw('connect');
    await eventually(() => served.length === 1, 'the connection is accepted');
    reactor.timer(() => assert.fail('timers are forgotten')).arm(400);
    await reactor.close();
    await sleep(500);
    assert.deepEqual(client.events, ['connect', 'close']);
    assert.deepEqual(served[0]!.events, ['close']);
    assert.equal(nativeBytesLive(), bytesBefore);
    for (const [kind, count] of Object.entries(liveNativeCounts())) {
      assert.equal(count, before[kind] ?? 0, kind);
    }
  });

  it('can be closed twice, and beside another one', async () => {
    const [one, two] = [new Reactor(), new Reactor()];
    await Promise.all([one.close(), one.close()]);
    const fired = new Promise<void>((resolve) => two.defer(resolve));
    await fired;
    await two.close();
  });
});
