/**
 * An origin that misbehaves as the first part of the path says, for trying what sluice makes of it. What is
 * asked for with another path is answered well.
 */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { parseArgs } from 'node:util';

type Misbehaviour = (socket: Socket, query: URLSearchParams) => void;

const OK = 'HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n';

/** By the first part of the path. The words are what `--help` prints. */
export const misbehaviours: Readonly<Record<string, readonly [string, Misbehaviour]>> = {
  close: ['closes without a word', (socket) => socket.end()],
  reset: ['resets without a word', (socket) => socket.resetAndDestroy()],
  stall: ['reads, and never answers', () => {}],
  'stall-body': [
    'sends a head and half of the body, then nothing',
    (socket) => socket.write(`${OK}Content-Length: 10\r\n\r\n12345`),
  ],
  'cut-body': [
    'sends half of the body, then closes',
    (socket) => socket.end(`${OK}Content-Length: 10\r\n\r\n12345`),
  ],
  'cut-chunked': [
    'ends a chunked body without its last chunk',
    (socket) => socket.end(`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n`),
  ],
  'too-much': [
    'sends more than the Content-Length',
    (socket) => socket.write(`${OK}Content-Length: 5\r\n\r\n1234567890`),
  ],
  'both-lengths': [
    'has Content-Length and Transfer-Encoding',
    (socket) =>
      socket.write(
        `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n`,
      ),
  ],
  'endless-head': [
    'sends header lines without end',
    (socket) => {
      socket.write(OK);
      const timer = setInterval(() => socket.write(`X-Line: ${'x'.repeat(1_000)}\r\n`), 1);
      socket.on('close', () => clearInterval(timer));
    },
  ],
  garbage: ['answers with what is no HTTP', (socket) => socket.end('\x16\x03\x01 hello\r\n\r\n')],
  slow: [
    'sends one byte every ?ms=100 milliseconds, ?bytes=20 of them',
    (socket, query) => {
      let left = Number(query.get('bytes') ?? 20);
      socket.write(`${OK}Content-Length: ${left}\r\n\r\n`);
      const timer = setInterval(
        () => {
          if (left-- > 0) socket.write('x');
          else clearInterval(timer);
        },
        Number(query.get('ms') ?? 100),
      );
      socket.on('close', () => clearInterval(timer));
    },
  ],
  status: [
    'answers with ?code=503',
    (socket, query) =>
      socket.write(`HTTP/1.1 ${query.get('code') ?? 503} Status\r\nContent-Length: 3\r\n\r\nno\n`),
  ],
};

/** Listens on the loopback; port 0 lets the system choose. Disposing ends its connections, too. */
export async function listen(port: number): Promise<{ readonly port: number } & Disposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      const head = /^(\S+) (\S+) HTTP\/1\.1\r\n[\s\S]*?\r\n\r\n/.exec(text);
      if (head === null) return;
      text = text.slice(head[0].length);
      answer(socket, new URL(head[2]!, 'http://origin'));
    });
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen(port, '127.0.0.1', resolve);
  await promise;
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.dispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function answer(socket: Socket, url: URL): void {
  const misbehave = misbehaviours[url.pathname.split('/')[1]!]?.[1];
  if (misbehave === undefined) socket.write(`${OK}Content-Length: 3\r\n\r\nok\n`);
  else misbehave(socket, url.searchParams);
}

function usage(): string {
  const rows = Object.entries(misbehaviours).map(
    ([name, [text]]) => `  /${name.padEnd(14)} ${text}`,
  );
  return `usage: node_modules/.bin/node dev/bad-origin.ts [--port 3000]\nAn origin on the loopback. It answers well, but for these paths:\n${rows.join('\n')}\n`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { help: { type: 'boolean' }, port: { type: 'string', default: '3000' } },
  });
  if (values.help === true) process.stdout.write(usage());
  else {
    const { port } = await listen(Number(values.port));
    process.stdout.write(`http://127.0.0.1:${port}\n${usage()}`);
  }
}
