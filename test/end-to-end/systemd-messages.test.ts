/** A real socket in place of systemd's, and a sluice that was started under it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { listenAt } from '../support/notify-socket.ts';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n';

for (const workers of [1, 2]) {
  test(`the service manager is told when it serves, lives and stops (${workers} workers)`, async () => {
    const path = join(temporaryDirectory(), 'notify');
    using manager = listenAt(path);
    await using origin = await startOrigin((_request, response) => response.end('ok'));
    process.env.NOTIFY_SOCKET = path;
    process.env.WATCHDOG_USEC = '400000';
    const starting = startSluice({ origin: origin.url, workers });
    delete process.env.NOTIFY_SOCKET;
    delete process.env.WATCHDOG_USEC;
    await using sluice = await starting;
    const heard = (line: string) =>
      until(() => manager.heard().find((one) => one.split('\n').includes(line)), line);
    assert.match(await heard('READY=1'), new RegExp(`^MAINPID=${sluice.pid}$`, 'm'));
    using connection = await RawConnection.open(sluice.httpPort);
    assert.equal((await connection.request(GET)).content, 'ok', 'READY was true');
    await heard('WATCHDOG=1');
    const readied = () => manager.heard().filter((one) => one.startsWith('READY=1')).length;
    assert.equal(readied(), 1);
    sluice.signal('SIGHUP');
    const isReloading = () => manager.heard().some((one) => one.startsWith('RELOADING=1\n'));
    await until(() => isReloading() && readied() === 2, 'a reload from beginning to end');
    assert.ok(!manager.heard().includes('STOPPING=1'));
    assert.equal(await sluice.stop(), 0);
    await heard('STOPPING=1');
  });
}
