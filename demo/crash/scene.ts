/** The processes of the demo: an origin, sluice with the harmful observer, and what we ask of it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';

export const OBSERVER = 'danger-group-in-callback';
export const WORKERS = 3;

const LOOPBACK = '127.0.0.1';
const START_TIMEOUT_MS = 20_000;
const END_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 5_000;
export const launcher = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url));
export const dangerModule = fileURLToPath(new URL('../../test/proofs/danger.ts', import.meta.url));

export interface Ports {
  readonly https: number;
  readonly admin: number;
}

/** Sluice under attack, and its origin. */
export class Scene implements AsyncDisposable {
  readonly ports: Ports;
  readonly #origin: Server;
  readonly #child: ChildProcess;

  private constructor(origin: Server, child: ChildProcess, ports: Ports) {
    this.#origin = origin;
    this.#child = child;
    this.ports = ports;
  }

  /** Every line that sluice says is told as it comes. */
  static async open(directory: string, onLine: (line: string) => void): Promise<Scene> {
    const origin = createServer((_request, response) => {
      response.setHeader('Cache-Control', 'max-age=60');
      response.end('served while workers die\n');
    });
    const listening = Promise.withResolvers<void>();
    origin.listen(0, LOOPBACK, listening.resolve);
    await listening.promise;
    const child = spawn(process.execPath, [launcher, ...wordsFor(origin, directory)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, XDG_STATE_HOME: directory },
    });
    process.once('exit', () => child.kill('SIGKILL'));
    const ports = await portsOf(child, onLine);
    return new Scene(origin, child, ports);
  }

  /** JSON of the admin endpoint. */
  async ask<T>(path: string): Promise<T> {
    const response = await fetch(`http://${LOOPBACK}:${this.ports.admin}${path}`, {
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    return (await response.json()) as T;
  }

  /**
   * A client as there are many: its first choice of group is one that the server does not take, so
   * the server answers with a HelloRetryRequest (RFC 8446 §4.1.4). Whether it has got through.
   */
  trigger(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const socket = connect({
      host: LOOPBACK,
      port: this.ports.https,
      servername: 'localhost',
      // Self-signed, by the sluice that we have just started.
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
      ecdhCurve: 'ffdhe4096:X25519',
      timeout: ANSWER_TIMEOUT_MS,
    });
    socket.once('secureConnect', () => {
      resolve(true);
      socket.end();
    });
    socket.once('timeout', () => socket.destroy());
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#origin.close();
    this.#origin.closeAllConnections();
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  }
}

function wordsFor(origin: Server, directory: string): string[] {
  const { port } = origin.address() as AddressInfo;
  return [
    ...['--origin', `http://${LOOPBACK}:${port}`, '--workers', String(WORKERS)],
    ...['--http', `${LOOPBACK}:0`, '--https', `${LOOPBACK}:0`, '--admin', `${LOOPBACK}:0`],
    ...['--danger-module', dangerModule, '--feature', `${OBSERVER}=on`],
    ...['--incident-dir', `${directory}/incidents`, '--drain-timeout', '2s'],
  ];
}

/** Resolves when sluice serves; rejects with what it has said when it does not. */
async function portsOf(child: ChildProcess, onLine: (line: string) => void): Promise<Ports> {
  const { promise, resolve, reject } = Promise.withResolvers<Ports>();
  const said: string[] = [];
  let rest = '';
  const take = (bytes: Buffer) => {
    const lines = (rest + bytes.toString()).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      said.push(line);
      onLine(line);
    }
    const port = (name: string) =>
      Number(new RegExp(`^ +${name} .*:(\\d+)/$`, 'm').exec(said.join('\n'))?.[1] ?? 0);
    if (port('https') > 0 && port('admin') > 0) {
      resolve({ https: port('https'), admin: port('admin') });
    }
  };
  child.stdout!.on('data', take);
  child.stderr!.on('data', take);
  const fail = (why: string) => reject(new Error(`sluice ${why}:\n${said.join('\n')}`));
  child.once('exit', (code) => fail(`has ended at its start (${code})`));
  const timer = setTimeout(() => fail('does not serve'), START_TIMEOUT_MS);
  return promise.finally(() => clearTimeout(timer));
}
