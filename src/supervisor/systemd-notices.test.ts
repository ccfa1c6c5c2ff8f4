import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { listenAt } from '../../test/support/notify-socket.ts';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { until } from '../../test/support/waiting.ts';
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
