/** What `edge` does on a system where sluice cannot run: the app alone, so that it can be developed. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type App, listenFor } from './app-server.ts';
import type { Edge } from './edge-contract.ts';
import type { EdgeOptions, ListenAddress } from './edge-options.ts';

/** As on the command line. */
const HTTP_DEFAULT = 8080;

/** Serves the app with plain HTTP at the first address of `http`, and says so once. */
export async function servePlainly(app: App, options: EdgeOptions): Promise<Edge> {
  const own = await listenFor(app, pathForApp(), options.kind);
  const target = targetOf(own.origin);
  const open = new Set<Socket>();
  const server = createServer((client) => relay(client, connect(target), open));
  const [first = HTTP_DEFAULT] = [options.http ?? []].flat();
  await listen(server, first);
  const address = server.address() as { address: string; port: number };
  const url = `http://${address.address}:${address.port}`;
  process.emitWarning(
    `sluice runs on Linux only: ${url} has no TLS, no HTTP/2 and no cache on this system`,
  );
  let closing: Promise<void> | null = null;
  const closed = new Promise<void>((resolve) => server.once('close', resolve));
  const close = () => {
    closing ??= (async () => {
      server.close();
      await own.close();
      for (const socket of open) socket.destroy();
      await closed;
    })();
    return closing;
  };
  return {
    url,
    addresses: { http: [url], https: [], admin: null },
    certificates: [],
    pid: null,
    closed,
    purge: async ({ soft = false }) => ({ purged: 0, soft }),
    metrics: async () => '',
    reload: async () => {},
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Windows has named pipes in place of sockets in the file system. */
function pathForApp(): string {
  const name = `sluice-edge-${process.pid}-${Math.random().toString(36).slice(2)}`;
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), `${name}.sock`);
}

function targetOf(origin: string): { path: string } | { host: string; port: number } {
  if (origin.startsWith('unix:')) return { path: origin.slice('unix:'.length) };
  const { hostname, port } = new URL(origin);
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
}

function relay(client: Socket, origin: Socket, open: Set<Socket>): void {
  for (const [one, other] of [
    [client, origin],
    [origin, client],
  ] as const) {
    open.add(one);
    one.pipe(other);
    one.on('error', () => other.destroy());
    one.on('close', () => open.delete(one));
  }
}

function listen(server: Server, where: ListenAddress): Promise<void> {
  const text = String(where);
  const [, host = '127.0.0.1', port = ''] = /^(?:\[?([^\]]*)\]?:)?(\d+)$/.exec(text) ?? [];
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(Number(port), host, resolve);
  });
}
