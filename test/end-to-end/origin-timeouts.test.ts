import assert from 'node:assert/strict';
import { connect } from 'node:net';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { start } from '../support/programs.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { sleep, until } from '../support/waiting.ts';

/**
 * A process that listens with the shortest queue and never accepts, as it is stopped: once the queue
 * is full the kernel drops every SYN, and a connect hangs as it does to a host that is down.
 */
async function startDeafOrigin() {
  const script =
    "const s = require('node:net').createServer();" +
    "s.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(s.address().port));";
  const child = start(process.execPath, ['-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: fileURLToPath(new URL('.', import.meta.url)),
  });
  let output = '';
  child.stdout!.on('data', (bytes) => {
    output += bytes;
  });
  const port = await until(() => Number(output.trim()) || undefined, 'the deaf origin to listen');
  child.kill('SIGSTOP');
  const fillers = Array.from({ length: 8 }, () => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.on('error', () => {});
    return socket;
  });
  await sleep(200);
  return {
    port,
    [Symbol.dispose]() {
      for (const filler of fillers) filler.destroy();
      child.kill('SIGKILL');
    },
  };
}

test('an origin that cannot be reached in time: 504, connection_timeout (RFC 9209 §2.3.9)', async () => {
  using deaf = await startDeafOrigin();
  await using sluice = await startSluice({ origin: `http://127.0.0.1:${deaf.port}` });
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n');
  // The limit is 10 s (docs: limits of the origin pool).
  const response = await connection.response({ timeoutMs: 40_000 });
  assert.equal(response.status, 504);
  assert.match(response.fields.get('proxy-status')!, /^sluice; error=connection_timeout\b/);
});
