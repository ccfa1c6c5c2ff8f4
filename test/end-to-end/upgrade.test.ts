import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { runSluice } from '../cli/sluice-process.ts';
import { startOrigin } from '../support/origins.ts';
import { ended, start, unlessInstalled } from '../support/programs.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const GET = 'GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n';

const origin = await startOrigin((request, response) => {
  response.setHeader('Cache-Control', 'no-store');
  const delayMs = Number(/^\/after\/(\d+)/.exec(request.url!)?.[1] ?? 0);
  setTimeout(() => response.end('ok'), delayMs);
});
test.after(async () => {
  endSuccessors();
  await origin[Symbol.asyncDispose]();
});

/** What an upgrade has started is no child of ours, and a test that fails leaves it running. */
function endSuccessors(): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      if (Number(pid) !== process.pid && words.includes(origin.url)) {
        process.kill(Number(pid), 'SIGKILL');
      }
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** Ends what an upgrade has left running: it is no child of ours. */
function endLater(pid: number): Disposable {
  return {
    [Symbol.dispose]() {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended already.
      }
    },
  };
}

for (const workers of [1, 2]) {
  test(`an upgrade loses no connection and no request (${workers} workers)`, {
    skip: unlessInstalled('h2load'),
  }, async () => {
    const directory = temporaryDirectory();
    const pidFile = join(directory, 'sluice.pid');
    const flags = ['--pid-file', pidFile, '--cache-dir', join(directory, 'cache')];
    await using sluice = await startSluice({ origin: origin.url, workers, flags });
    assert.equal(Number(readFileSync(pidFile, 'utf8')), sluice.pid);
    using slow = await RawConnection.open(sluice.httpPort);
    slow.send('GET /after/1500 HTTP/1.1\r\nHost: a.example\r\n\r\n');
    await until(() => origin.asked('/after/1500').length === workers, 'the slow request');
    const outcomes = new Set<string>();
    let asking = true;
    const clients = Array.from({ length: 4 }, async () => {
      while (asking) {
        const outcome = await RawConnection.open(sluice.httpPort).then(
          async (connection) => {
            using _ = connection;
            return (await connection.request(GET)).content;
          },
          (error: Error) => error.message,
        );
        outcomes.add(outcome);
      }
    });
    const at = ['--admin', `127.0.0.1:${sluice.adminPort}`];
    const { code, stdout } = await runSluice(['upgrade', ...at]);
    assert.equal(code, 0);
    const pid = Number(/^process (\d+) serves/.exec(stdout)?.[1]);
    using _ = endLater(pid);
    assert.notEqual(pid, sluice.pid);
    assert.equal((await slow.response()).content, 'ok', 'what was under way is finished');
    assert.equal(await sluice.end(), 0);
    assert.equal(Number(readFileSync(pidFile, 'utf8')), pid);
    assert.equal((await sluice.stats()).pid, pid, 'the admin port is the new one’s');
    asking = false;
    await Promise.all(clients);
    assert.deepEqual([...outcomes], ['ok']);
    process.kill(pid, 'SIGTERM');
    await until(() => !existsSync(pidFile), 'the new one to end');
  });
}

test('SIGUSR2 upgrades; a new one that cannot start changes nothing', async () => {
  const file = join(temporaryDirectory(), 'sluice.yaml');
  writeFileSync(file, `origin: ${origin.url}\n`);
  await using sluice = await startSluice({ workers: 2, flags: ['--config', file] });
  writeFileSync(file, 'origin: nonsense\n');
  sluice.signal('SIGUSR2');
  await until(() => /going on as before/.test(sluice.output), 'the failure', 30_000);
  assert.match(sluice.output, /origin "nonsense": not an http/, 'in the new one’s own words');
  using connection = await RawConnection.open(sluice.httpPort);
  assert.equal((await connection.request(GET)).content, 'ok');
  const { code, stderr } = await runSluice(['upgrade', '--admin', `127.0.0.1:${sluice.adminPort}`]);
  assert.equal(code, 2);
  assert.match(stderr, /ended at its start \(exit code 2\)/);
});

test('systemd opens the socket, and sluice serves on it', {
  skip: unlessInstalled('systemd-socket-activate'),
}, async () => {
  const { freePort } = await import('../support/waiting.ts');
  const port = await freePort();
  const program = new URL('../../bin/sluice.js', import.meta.url).pathname;
  const words = ['-l', `127.0.0.1:${port}`, '-E', 'HOME', '-E', 'XDG_STATE_HOME'];
  const serve = [process.execPath, program, '--origin', origin.url, '--http', String(port)];
  const child = start('systemd-socket-activate', [...words, ...serve, '--workers', '2'], {
    env: { ...process.env, XDG_STATE_HOME: temporaryDirectory() },
    stdio: 'ignore',
  });
  try {
    // The first connection has it started.
    const connection = await until(
      () => RawConnection.open(port).catch(() => false as const),
      'it',
    );
    assert.equal((await connection.request(GET)).content, 'ok');
    connection[Symbol.dispose]();
  } finally {
    child.kill('SIGTERM');
    await ended(child);
  }
});
