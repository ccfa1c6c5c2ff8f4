import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { launcher, startProgram } from '../cli/sluice-process.ts';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { until } from '../support/waiting.ts';

const GET = 'GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n';

const origin = await startOrigin((request, response) => {
  response.setHeader('Cache-Control', 'no-store');
  const delayMs = Number(/^\/after\/(\d+)/.exec(request.url!)?.[1] ?? 0);
  setTimeout(() => response.end('ok'), delayMs);
});
test.after(() => origin[Symbol.asyncDispose]());

for (const workers of [1, 2]) {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const name = `${signal} lets running requests finish, then ends with 0 (${workers} workers)`;
    test(name, async () => {
      const flags = ['--drain-timeout', '10m'];
      await using sluice = await startSluice({ origin: origin.url, workers, flags });
      using busy = await RawConnection.open(sluice.httpPort);
      using idle = await RawConnection.openTls(sluice.httpsPort);
      const asked = origin.asked('/after/500').length;
      busy.send('GET /after/500 HTTP/1.1\r\nHost: a.example\r\n\r\n');
      await until(() => origin.asked('/after/500').length > asked, 'the origin to be asked');
      sluice.signal(signal);
      assert.equal((await busy.response()).content, 'ok');
      busy.end();
      // The drain's time-out is ten minutes: an idle connection must not use it up.
      assert.equal(await sluice.end(), 0);
      await idle.closed();
    });
  }
}

test('a signal to all processes at once, as timeout(1) sends it, ends them in order', async () => {
  await using sluice = await startSluice({ origin: origin.url, workers: 3 });
  const standby = async () => (await sluice.stats()).standbyPid ?? undefined;
  const pids = [await until(standby, 'a process in waiting'), ...(await sluice.workerPids())];
  for (const pid of [...pids, sluice.pid]) process.kill(pid, 'SIGTERM');
  assert.equal(await sluice.end(), 0);
  assert.doesNotMatch(sluice.output, /died|incident|replaced/);
});

for (const isSeen of [false, true]) {
  const when = isSeen ? ', though it comes after the end of the workers,' : '';
  test(`a signal to all processes during the start${when} ends it in order, without a word`, async () => {
    const words = ['--origin', origin.url, '--http', '0', '--workers', '3'];
    await using sluice = startProgram(launcher, words);
    const children = () =>
      readFileSync(`/proc/${sluice.pid}/task/${sluice.pid}/children`, 'latin1').trim();
    const first = await until(() => children() || undefined, 'the first of its workers');
    const pids = first.split(' ');
    for (const pid of pids) process.kill(Number(pid), 'SIGTERM');
    const areSeen = () =>
      !children()
        .split(' ')
        .some((pid) => pids.includes(pid));
    if (isSeen) await until(areSeen, 'the end of those workers');
    process.kill(sluice.pid, 'SIGTERM');
    const { code, stderr } = await sluice.ended;
    assert.deepEqual([code, stderr], [0, '']);
  });
}

test('a worker that is killed is replaced, and no new connection is refused', async () => {
  await using sluice = await startSluice({ origin: origin.url, workers: 2 });
  const [victim] = await sluice.workerPids();
  process.kill(victim!, 'SIGKILL');
  for (let i = 0; i < 50; i++) {
    using connection = await RawConnection.open(sluice.httpPort);
    assert.equal((await connection.request(GET)).status, 200);
  }
  await until(async () => (await sluice.sum('sluice_workers_running')) === 2, 'the replacement');
  assert.equal(await sluice.sum('sluice_worker_restarts_total'), 1);
  assert.ok(!(await sluice.workerPids()).includes(victim!));
  assert.match(sluice.output, /worker 0 \(pid \d+\) died: SIGKILL/);
});

test('every worker gets connections', async () => {
  await using sluice = await startSluice({ origin: origin.url, workers: 2 });
  const connections = await Promise.all(
    Array.from({ length: 40 }, () => RawConnection.open(sluice.httpPort)),
  );
  await Promise.all(connections.map((connection) => connection.request(GET)));
  // An idle origin connection belongs to one worker, so both have opened some.
  const pids = await sluice.workerPids();
  for (const pid of pids) assert.ok(pid > 0);
  assert.equal(await sluice.sum('sluice_connections_open', { listener: 'http' }), 40);
  for (const connection of connections) connection[Symbol.dispose]();
});

test('metrics come as Prometheus text', async () => {
  await using sluice = await startSluice({ origin: origin.url });
  using connection = await RawConnection.open(sluice.httpPort);
  await connection.request(GET);
  await until(async () => (await sluice.sum('sluice_requests_total')) === 1, 'it to be counted');
  const response = await fetch(`http://127.0.0.1:${sluice.adminPort}/metrics`);
  assert.match(response.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/);
  const text = await response.text();
  assert.match(text, /^sluice_requests_total\{method="GET",status="200",cache="\w+"\} 1$/m);
  assert.match(text, /^# TYPE sluice_request_duration_seconds histogram$/m);
});
