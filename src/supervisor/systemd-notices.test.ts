import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { listenAt } from '../../test/support/notify-socket.ts';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { sleep, until } from '../../test/support/waiting.ts';
import { serviceManagerOf } from './systemd-notices.ts';

for (const [kind, name] of Object.entries({
  path: () => join(temporaryDirectory(), 'notify'),
  'abstract name': () => `@sluice-test-${process.pid}`,
})) {
  test(`systemd hears at its ${kind} when we serve, reload, hand over and stop`, () => {
    const socket = name();
    using manager = listenAt(socket);
    const told = serviceManagerOf({ NOTIFY_SOCKET: socket }, assert.fail);
    told.ready('serves');
    told.reloading();
    told.mainProcess(7);
    told.stopping();
    const [ready, reloading, ...rest] = manager.heard();
    assert.equal(ready, `READY=1\nSTATUS=serves\nMAINPID=${process.pid}`);
    assert.match(reloading!, /^RELOADING=1\nMONOTONIC_USEC=\d+$/);
    assert.deepEqual(rest, ['MAINPID=7', 'STOPPING=1']);
  });
}

test('its watchdog is fed twice in its time, when it is meant for us', async () => {
  const socket = join(temporaryDirectory(), 'notify');
  using manager = listenAt(socket);
  const environment = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '20000' };
  const others = serviceManagerOf({ ...environment, WATCHDOG_PID: '1' }, assert.fail);
  assert.deepEqual(manager.heard(), []);
  const told = serviceManagerOf({ ...environment, WATCHDOG_PID: String(process.pid) }, assert.fail);
  await until(() => manager.heard().length >= 3, 'three beats');
  told.close();
  others.close();
  assert.deepEqual([...new Set(manager.heard())], ['WATCHDOG=1']);
});

test('without a manager nothing is sent; one that is gone is told of once', () => {
  serviceManagerOf({}, assert.fail).ready('serves');
  const complaints: string[] = [];
  const socket = join(temporaryDirectory(), 'nobody');
  const told = serviceManagerOf({ NOTIFY_SOCKET: socket }, (line) => complaints.push(line));
  told.ready('serves');
  told.stopping();
  assert.deepEqual(complaints, [`the service manager at ${socket} does not listen (errno 2)`]);
});

test('a manager that does not read holds nothing up, and hears all of it in order later', async () => {
  const socket = join(temporaryDirectory(), 'notify');
  using manager = listenAt(socket);
  const told = serviceManagerOf({ NOTIFY_SOCKET: socket }, assert.fail);
  // More than a socket of any common kernel setting (10 or 512) takes unread, but for the first.
  const capacity = Number(readFileSync('/proc/sys/net/unix/max_dgram_qlen', 'latin1'));
  for (let pid = 1; pid <= capacity + 20; pid++) told.mainProcess(pid);
  const expected = Array.from({ length: capacity + 20 }, (_, index) => `MAINPID=${index + 1}`);
  await until(() => manager.heard().length >= expected.length, 'all messages');
  told.close();
  assert.deepEqual(manager.heard(), expected);
});

test('a manager that reads again hears the watchdog once more, and no backlog of it', async () => {
  const socket = join(temporaryDirectory(), 'notify');
  using manager = listenAt(socket);
  const told = serviceManagerOf({ NOTIFY_SOCKET: socket, WATCHDOG_USEC: '2000' }, assert.fail);
  const capacity = Number(readFileSync('/proc/sys/net/unix/max_dgram_qlen', 'latin1'));
  const started = performance.now();
  while (performance.now() - started < 3 * capacity) await sleep(1);
  const backlog = manager.heard().length;
  assert.ok(backlog <= capacity + 1, `${backlog} messages waited`);
  await until(() => manager.heard().length > backlog, 'a further message');
  told.close();
});
