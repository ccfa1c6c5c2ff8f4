/**
 * Run in a network namespace of its own, where TCP Fast Open may be switched on without touching the
 * machine: serves with it, asks twice, and prints what the kernel has counted as one line of JSON.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startOrigin } from './origins.ts';
import { run } from './programs.ts';
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
process.stdout.write(`${JSON.stringify({ answers, accepted: counter('TCPFastOpenPassive') })}\n`);
await sluice[Symbol.asyncDispose]();
await origin[Symbol.asyncDispose]();
