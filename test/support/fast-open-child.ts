/**
 * Run in a network namespace of its own, where TCP Fast Open may be switched on without touching the
 * machine: serves with it, asks twice, and prints what the kernel has counted as one line of JSON.
 */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EarlyClient, helloOf, ticketFor } from './early-client.ts';
import { startOrigin } from './origins.ts';
import { run, start, unlessInstalled } from './programs.ts';
import { startSluice } from './sluice.ts';
import { temporaryDirectory } from './temporary.ts';

/** A counter of /proc/net/netstat: a line of names, then one of numbers. */
function counter(name: string): number {
  const lines = readFileSync('/proc/net/netstat', 'latin1').split('\n');
  const names = lines.findIndex((line) => line.includes(` ${name} `));
  const index = lines[names]!.split(' ').indexOf(name);
  return Number(lines[names + 1]!.split(' ')[index]);
}

const origin = await startOrigin((_request, response) => response.end('answer'));
const file = join(temporaryDirectory(), 'sluice.yaml');
writeFileSync(
  file,
  `
listeners:
  - {address: "127.0.0.1:0", protocol: http, fast-open: 16}
  - {address: "127.0.0.1:0", protocol: https, fast-open: 16}
`,
);
const sluice = await startSluice({
  origin: origin.url,
  flags: ['--config', file],
  listensByFile: true,
});
const answers: string[] = [];
// The first connection of a client fetches the cookie that the others send data with (RFC 7413 §3).
for (const url of [sluice.httpUrl, sluice.httpUrl, sluice.httpsUrl, sluice.httpsUrl]) {
  const words = ['--tcp-fastopen', '--silent', '--insecure', '--max-time', '5', '--ipv4', url];
  answers.push((await run('curl', words)).text);
}
const accepted = counter('TCPFastOpenPassive');

/** Sends what it is given first in the SYN, and then whatever comes, both ways. */
const relay = `
import select, socket, sys
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
client, _ = listener.accept()
server = socket.socket()
server.sendto(client.recv(65536), socket.MSG_FASTOPEN, ('127.0.0.1', int(sys.argv[1])))
while True:
    for one in select.select([client, server], [], [])[0]:
        bytes = one.recv(65536)
        if not bytes:
            sys.exit()
        (server if one is client else client).sendall(bytes)
`;

/** One packet of the client's, its SYN, with all that the answer depends on. */
async function askInOneRoundTrip(): Promise<{ answer: string; accepted: number }> {
  const request = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  const ticket = await ticketFor(sluice.httpsPort, helloOf(), request('/ticket'));
  const child = start('python3', ['-c', relay, String(sluice.httpsPort)], { stdio: 'pipe' });
  try {
    const [said] = (await once(child.stdout!, 'data')) as [Buffer];
    using client = new EarlyClient(Number(said.toString()), helloOf(), ticket, [request('/')]);
    await client.send(client.flight());
    // It sends nothing more until it has the answer: not its Finished either.
    await client.answered('answer');
    const asked = { answer: client.text, accepted: counter('TCPFastOpenPassive') - accepted };
    await client.finish();
    return asked;
  } finally {
    child.kill('SIGKILL');
  }
}

const oneRoundTrip = unlessInstalled('python3') === false ? await askInOneRoundTrip() : null;
process.stdout.write(`${JSON.stringify({ answers, accepted, oneRoundTrip })}\n`);
await sluice[Symbol.asyncDispose]();
await origin[Symbol.asyncDispose]();
