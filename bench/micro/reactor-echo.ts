/**
 * Echo of small messages over loopback: the reactor beside node:net, each as server in a process of
 * its own, with the same clients. The server's processor time per message is the figure to compare:
 * unlike the rate it does not depend on how fast the clients are.
 *
 *     node bench/micro/reactor-echo.ts [seconds] [connections]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import type { SocketHandler, StreamSocket } from '../../src/reactor/contract.ts';
import { Reactor } from '../../src/reactor/reactor.ts';

const MESSAGE_BYTES = 128;
const REPLY = Buffer.alloc(1_024, 'x');
const CLIENT_COUNT = 2;

interface Usage {
  readonly messages: number;
  readonly cpuMicros: number;
}

function serveReactor(count: () => void, ready: (port: number) => void): void {
  const listener = new Reactor().listen({ address: { host: '127.0.0.1', port: 0 } }, (socket) => {
    const handler: SocketHandler = {
      onConnect() {},
      onData() {
        count();
        socket.write(REPLY);
      },
      onEnd: () => socket.shutdownWrite(),
      onDrain() {},
      onClose() {},
    };
    return handler;
  });
  ready(listener.port);
}

function serveNet(count: () => void, ready: (port: number) => void): void {
  const server = net.createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('data', () => {
      count();
      socket.write(REPLY);
    });
    socket.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1', () => ready((server.address() as net.AddressInfo).port));
}

function runServer(kind: string): void {
  let messages = 0;
  const count = () => {
    messages++;
  };
  const ready = (port: number) => process.send!(port);
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send!({ messages, cpuMicros: user + system } satisfies Usage);
  });
  if (kind === 'reactor') serveReactor(count, ready);
  else serveNet(count, ready);
}

class PingPong implements SocketHandler {
  readonly #socket: StreamSocket;
  readonly #message = Buffer.alloc(MESSAGE_BYTES, 'm');
  #awaited = 0;

  constructor(reactor: Reactor, port: number) {
    this.#socket = reactor.connect({ host: '127.0.0.1', port }, this);
  }

  #ping(): void {
    this.#awaited = REPLY.length;
    this.#socket.write(this.#message);
  }

  onConnect(): void {
    this.#ping();
  }

  onData(_buffer: unknown, length: number): void {
    this.#awaited -= length;
    if (this.#awaited === 0) this.#ping();
  }

  onEnd(): void {}
  onDrain(): void {}
  onClose(): void {}
}

function runClient(port: number, connections: number): void {
  const reactor = new Reactor();
  for (let index = 0; index < connections; index++) new PingPong(reactor, port);
}

function start(...args: string[]): ChildProcess {
  const execArgv = ['--disable-warning=ExperimentalWarning'];
  return fork(import.meta.filename, args, { execArgv });
}

async function usageOf(server: ChildProcess): Promise<Usage> {
  const answer = once(server, 'message');
  server.send('usage');
  return (await answer)[0] as Usage;
}

async function measure(kind: string, seconds: number, connections: number): Promise<void> {
  const server = start('server', kind);
  const [port] = (await once(server, 'message')) as [number];
  const perClient = String(Math.ceil(connections / CLIENT_COUNT));
  const clients = Array.from({ length: CLIENT_COUNT }, () =>
    start('client', String(port), perClient),
  );
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const before = await usageOf(server);
  const startMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  const after = await usageOf(server);
  const elapsedMs = performance.now() - startMs;
  for (const child of [...clients, server]) child.kill();
  const messages = after.messages - before.messages;
  const rate = Math.round((messages / elapsedMs) * 1_000);
  const cost = ((after.cpuMicros - before.cpuMicros) / messages).toFixed(2);
  console.log(`${kind.padEnd(8)} ${rate} messages/s, ${cost} µs of server CPU each`);
}

const [role = '', first = '', second = ''] = process.argv.slice(2);
if (role === 'server') runServer(first);
else if (role === 'client') runClient(Number(first), Number(second));
else {
  const seconds = Number(role) || 3;
  const connections = Number(first) || 64;
  for (const kind of ['net', 'reactor', 'net', 'reactor']) {
    await measure(kind, seconds, connections);
  }
}
