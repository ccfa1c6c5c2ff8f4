/**
 * Sends bytes exactly as they are written, and prints what comes back: for requests that no well-behaved
 * client can send.
 */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { parseArgs } from 'node:util';

const USAGE = `usage: node_modules/.bin/node dev/raw-client.ts [FLAGS] HOST:PORT PART...
Each PART is sent in a segment of its own. In it, \\r \\n \\t \\0 \\\\ and \\xHH stand for bytes.
A PART that is @MS waits for so many milliseconds; @reset resets the connection; @end ends our side.

  --tls            TLS, certificates not checked
  --sni NAME       the name in the ClientHello (default: HOST)
  --alpn NAME      the protocol to offer
  --save FILE      what came back, as it came
  --wait MS        how long to wait for the peer's end after the last part (default 2000)

example: node_modules/.bin/node dev/raw-client.ts 127.0.0.1:8080 \\
           'GET / HTTP/1.1\\r\\nHo' @100 'st: a.example\\r\\n\\r\\n'
`;

/** The bytes that a part stands for. Throws on a backslash that means nothing. */
export function bytesOf(part: string): Buffer {
  const text = part.replace(/\\(x[0-9a-fA-F]{2}|.|$)/gs, (_, name: string) => {
    if (name.startsWith('x')) return String.fromCharCode(Number.parseInt(name.slice(1), 16));
    const meant = { r: '\r', n: '\n', t: '\t', '0': '\0', '\\': '\\' }[name];
    if (meant === undefined) throw new Error(`\\${name} means nothing here; see --help`);
    return meant;
  });
  return Buffer.from(text, 'latin1');
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean' },
      tls: { type: 'boolean' },
      sni: { type: 'string' },
      alpn: { type: 'string' },
      save: { type: 'string' },
      wait: { type: 'string', default: '2000' },
    },
  });
  const [address, ...parts] = positionals;
  const split = /^(.*):(\d+)$/.exec(address ?? '');
  if (values.help === true || split === null) {
    process.stdout.write(USAGE);
    return;
  }
  const [, host = '', port = ''] = split;
  const to = { host, port: Number(port) };
  const socket: Socket = values.tls
    ? connectTls({
        ...to,
        servername: values.sni ?? host,
        rejectUnauthorized: false,
        ...(values.alpn === undefined ? {} : { ALPNProtocols: [values.alpn] }),
      })
    : connect({ ...to, noDelay: true });
  socket.on('error', (error) => process.stderr.write(`raw-client: ${error.message}\n`));
  socket.pipe(process.stdout, { end: false });
  if (values.save !== undefined) socket.pipe(createWriteStream(values.save));
  await once(socket, values.tls ? 'secureConnect' : 'connect');
  for (const part of parts) await play(socket, part);
  if (!socket.closed) {
    await Promise.race([once(socket, 'close').catch(() => {}), sleep(Number(values.wait))]);
  }
  socket.destroy();
}

async function play(socket: Socket, part: string): Promise<void> {
  const pause = /^@(\d+)$/.exec(part)?.[1];
  if (pause !== undefined) await sleep(Number(pause));
  else if (part === '@reset') socket.resetAndDestroy();
  else if (part === '@end') socket.end();
  else if (!socket.destroyed) socket.write(bytesOf(part));
}

if (import.meta.main) await main();
