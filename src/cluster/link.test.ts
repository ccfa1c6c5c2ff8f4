import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import test from 'node:test';
import { until } from '../../test/support/waiting.ts';
import { ClusterLink } from './link.ts';

/** A Redis that answers whatever it is asked with an error; `isGreeting`: it does so at once, and ends. */
async function startRefusing(error: string, isGreeting: boolean) {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    if (isGreeting) socket.end(`-${error}\r\n`);
    else {
      socket.on('data', (bytes) => {
        const commands = bytes.toString('latin1').match(/^\*\d+\r\n/gm) ?? [];
        socket.write(`-${error}\r\n`.repeat(commands.length));
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

for (const [error, kind, isGreeting] of [
  ['NOAUTH Authentication required.', 'NOAUTH: it asks for a password', false],
  ['WRONGPASS invalid username-password pair or user is disabled.', 'WRONGPASS: name or', false],
  ['LOADING Redis is loading the dataset in memory', 'LOADING: it is still reading', false],
  ['ERR max number of clients reached', 'ERR: it has all the clients', false],
  ['ERR max number of clients reached', '', true],
] as const) {
  const when = isGreeting ? 'as a greeting' : 'to all commands';
  test(`who connects to a Redis that says ${error.slice(0, 12)} ${when} reads why`, async () => {
    const { server, port } = await startRefusing(error, isGreeting);
    const told: string[] = [];
    const link = new ClusterLink({
      url: `redis://user:secret@127.0.0.1:${port}`,
      onUp() {},
      onDown() {},
      report: (message, parts) => told.push(`${parts?.event} ${message}`),
      onFault() {},
    });
    try {
      await until(() => told.length > 0, 'a line');
      // Which of the two it is when all comes at once is chance: both name maxclients.
      if (isGreeting) assert.match(told.join('\n'), /^.*cluster: 127\.0\.0\.1:.*maxclients/);
      else {
        const line = `cluster-refuses cluster: 127.0.0.1:${port} answers ${kind}`;
        assert.deepEqual(
          told.map((one) => one.startsWith(line)),
          [true],
        );
      }
      assert.ok(!told.join().includes('secret'));
    } finally {
      link[Symbol.dispose]();
      server.close();
    }
  });
}
