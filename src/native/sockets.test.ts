import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { liveNativeCounts } from './counters.ts';
import { connectionError, Errno, errnoName } from './errno.ts';
import { NativeBuffer } from './memory.ts';
import {
  accept,
  acceptedAddress,
  adoptDescriptor,
  closeDescriptor,
  connectStream,
  hasNoDelay,
  localAddress,
  openListeningSocket,
  peek,
  receive,
  sendBytes,
  sendNative,
  sendNativeFrom,
  shutdownSending,
} from './sockets.ts';

const LOOPBACK = { host: '127.0.0.1', port: 0 };

async function pair(): Promise<{ ours: number; theirs: number; close: () => void }> {
  const listening = openListeningSocket(LOOPBACK);
  const { fd: ours } = connectStream({ ...LOOPBACK, port: localAddress(listening).port });
  let theirs = accept(listening);
  while (theirs === -Errno.EAGAIN) {
    await sleep(1);
    theirs = accept(listening);
  }
  assert.equal(acceptedAddress().port, localAddress(ours).port);
  const close = () => {
    for (const fd of [listening, ours, theirs]) closeDescriptor(fd);
  };
  return { ours, theirs, close };
}

describe('native sockets', () => {
  it('move bytes and say what the kernel says', async () => {
    using buffer = NativeBuffer.allocate(64);
    const { ours, theirs, close } = await pair();
    assert.equal(receive(theirs, buffer, 64), -Errno.EAGAIN);
    assert.equal(peek(theirs, buffer), -Errno.EAGAIN);
    assert.equal(sendBytes(ours, Buffer.from('one')), 3);
    buffer.bytes.write('two three');
    assert.equal(sendNative(ours, buffer, 3), 3);
    assert.equal(sendNativeFrom(ours, buffer, 4, 5), 5);
    await sleep(20);
    buffer.bytes.fill(0);
    assert.equal(peek(theirs, buffer), 1);
    assert.equal(receive(theirs, buffer, 64), 11);
    assert.equal(buffer.bytes.toString('latin1', 0, 11), 'onetwothree');
    assert.equal(shutdownSending(ours), 0);
    await sleep(20);
    assert.equal(receive(theirs, buffer, 64), 0);
    assert.equal(sendNative(ours, buffer, 1), -Errno.EPIPE);
    close();
  });

  it('keep a small segment for what is said to follow', async () => {
    using buffer = NativeBuffer.allocate(64);
    const { ours, theirs, close } = await pair();
    buffer.bytes.write('head, content');
    assert.equal(sendNative(ours, buffer, 6, true), 6);
    assert.equal(receive(theirs, buffer, 64), -Errno.EAGAIN);
    assert.equal(sendNativeFrom(ours, buffer, 6, 7), 7);
    await sleep(20);
    assert.equal(receive(theirs, buffer, 64), 13);
    close();
  });

  it('send small segments at once, accepted ones by inheritance from their listener', async () => {
    const { ours, theirs, close } = await pair();
    assert.equal(hasNoDelay(ours), true);
    assert.equal(hasNoDelay(theirs), true);
    close();
  });

  it('are counted from opening to closing, and closed once', () => {
    const before = liveNativeCounts().fd ?? 0;
    const fd = openListeningSocket(LOOPBACK);
    assert.equal(liveNativeCounts().fd, before + 1);
    adoptDescriptor(fd);
    assert.equal(liveNativeCounts().fd, before + 1, 'our own is not counted twice');
    closeDescriptor(fd);
    assert.equal(liveNativeCounts().fd, before);
    assert.throws(() => closeDescriptor(fd), /was open/);
  });

  it('that were not inherited are refused', () => {
    assert.throws(() => adoptDescriptor(9_999), { code: 'listen-failed' });
  });
});

describe('an errno', () => {
  it('has its C name, or its number', () => {
    assert.equal(errnoName(Errno.ECONNRESET), 'ECONNRESET');
    assert.equal(errnoName(4_095), 'errno 4095');
  });

  it('of a connection becomes an error that says whether to try again', () => {
    const cases = [
      [Errno.ECONNREFUSED, true, 'connection-refused', 'always'],
      [Errno.ECONNRESET, true, 'connection-reset', 'always'],
      [Errno.ECONNRESET, false, 'connection-reset', 'ifReused'],
      [Errno.EPIPE, false, 'connection-reset', 'ifReused'],
      [Errno.ETIMEDOUT, false, 'connection-timed-out', 'ifReused'],
      [Errno.ETIMEDOUT, true, 'connect-timeout', 'always'],
      [Errno.EHOSTUNREACH, true, 'host-unreachable', 'always'],
      [Errno.ENETUNREACH, true, 'network-unreachable', 'always'],
      [71, false, 'connection-failed', 'never'],
    ] as const;
    for (const [errno, connecting, code, retry] of cases) {
      const error = connectionError(errno, 'upstream', connecting);
      assert.deepEqual([error.code, error.retry, error.blame], [code, retry, 'upstream']);
      assert.ok(error.message.includes(errnoName(errno)));
    }
  });

  it('of our own shortage is never the other side’s', () => {
    const { EMFILE, ENFILE, ENOMEM, ENOBUFS, EADDRNOTAVAIL } = Errno;
    for (const errno of [EMFILE, ENFILE, ENOMEM, ENOBUFS, EADDRNOTAVAIL]) {
      const error = connectionError(errno, 'upstream', true);
      assert.deepEqual([error.code, error.blame], ['out-of-resources', 'internal']);
    }
  });
});
