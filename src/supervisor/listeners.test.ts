import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type Http3ListenerOptions,
  type ListenerOptions,
  plainListener,
} from '../downstream/options.ts';
import { liveNativeCounts } from '../native/counters.ts';
import { localAddress } from '../native/sockets.ts';
import { adoptDatagrams, datagramsRead } from './datagram-sockets.ts';
import { closeListeners, inheritedDatagrams, listenersOf, openListeners } from './listeners.ts';

const LOOPBACK = { host: '127.0.0.1', port: 0 };
const plain: ListenerOptions = {
  ...plainListener,
  ...{ kind: 'https', address: LOOPBACK, http3: { ...plainListener.http3, isOn: true } },
};

/** Opens a listener for two workers; says what its responses announce, and its UDP sockets. */
function opened(options: Partial<ListenerOptions>) {
  const listeners = openListeners([{ ...plain, ...options }], 2);
  const { address, datagrams } = listeners[0]!;
  const port = 'port' in address ? address.port : 0;
  const ports = datagrams?.fds.map((fd) => localAddress(fd).port) ?? [];
  const { announced } = listenersOf(listeners, 0, 2)[0]!;
  const read = [0, 1].map((index) => inheritedDatagrams(listeners, index, 2));
  closeListeners(listeners);
  return { port, ports: new Set(ports), count: ports.length, announced, read, datagrams };
}

const http3 = (altSvc: Partial<Http3ListenerOptions['altSvc']>, isOn = true) => ({
  http3: { isOn, altSvc: { ...plain.http3.altSvc, ...altSvc } },
});

describe('the UDP sockets beside a listener', () => {
  test('are there for each worker at the port of TCP where http3 is on, and are announced', () => {
    const before = liveNativeCounts().fd ?? 0;
    const { port, ports, count, announced, read } = opened({});
    assert.deepEqual([...ports], [port]);
    assert.equal(count, 8, 'two workers, four generations');
    assert.equal(announced, `h3=":${port}"; ma=86400`);
    const indices = read.map(([one]) => one!.sockets.map(({ index }) => index));
    assert.deepEqual(indices, [[0], [1]]);
    assert.equal(liveNativeCounts().fd ?? 0, before, 'all are closed again');
  });

  test('are not there where http3 is off, and nothing is announced', () => {
    const { count, announced, read } = opened(http3({}, false));
    assert.deepEqual([count, announced, read], [0, null, [[], []]]);
  });

  test('are announced by the port, lifetime and mode of alt-svc', () => {
    const { announced } = opened(http3({ publicPort: 443, lifetimeSeconds: 60 }));
    assert.equal(announced, 'h3=":443"; ma=60');
    assert.equal(opened(http3({ mode: 'off' })).announced, null);
    assert.equal(opened(http3({ mode: 'clear' }, false)).announced, 'clear');
  });

  test('are not there where QUIC could not keep what is asked of TCP', () => {
    const to = { host: '10.0.0.5', port: 443 };
    for (const options of [
      { kind: 'http' },
      { proxyProtocol: { accept: 'required', from: [] } },
      { tunnels: [{ names: ['a.example'], to, proxyProtocol: 'off' }] },
    ] as const) {
      assert.equal(opened(options).count, 0, JSON.stringify(options));
    }
  });

  test('of the sluice that takes over are the next ones, and come round again', () => {
    let { datagrams } = opened({});
    const first = datagramsRead(datagrams!);
    for (let i = 1; i <= 4; i++) {
      datagrams = adoptDatagrams(datagrams!);
      assert.equal(datagrams.current, i % 4);
      assert.equal(datagrams.readers[i % 4], process.pid);
    }
    assert.deepEqual(datagramsRead(datagrams!), first);
  });

  test('that cannot be had leave TCP as it is, and say why', () => {
    const [holder] = openListeners([plain], 1);
    const { address } = holder!;
    const taken = openListeners([{ ...plain, ...http3({}, false) }], 1);
    closeListeners(taken);
    // The port of TCP is free again, that of UDP is not.
    closeListeners([{ ...holder!, datagrams: null }]);
    const [open] = openListeners([{ ...plain, address }], 1);
    assert.equal(open!.datagrams, null);
    assert.match(open!.datagramFault!, /in use/);
    closeListeners([open!, { ...holder!, fds: [] }]);
  });
});
