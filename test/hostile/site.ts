/**
 * The sluice that hostile clients and origins are let loose on: two hosts of which one asks for client
 * certificates, a denied path, CONNECT, a listener behind a load balancer, the admin endpoint, and an
 * origin that notes every byte that it gets.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { makeSelfSignedCertificate } from '../../src/tls/self-signed.ts';
import type { Message } from '../support/messages.ts';
import { type RawOrigin, startRawOrigin } from '../support/origins.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { freePort } from '../support/waiting.ts';

/** Clock ticks of /proc/PID/stat a second (sysconf(_SC_CLK_TCK) on Linux). */
const TICKS_PER_SECOND = 100;

/** What may be in the way of every input: its own fixed cost, and some for each byte. */
const CPU_MS_PER_INPUT = 25;
const CPU_MS_PER_KIB = 1.5;
const CPU_MS_FLOOR = 1_500;

export class HostileSite implements AsyncDisposable {
  readonly sluice: RunningSluice;
  readonly origin: RawOrigin;
  /** Answers for hosts that ask for a certificate. Nothing without one may reach it. */
  readonly secret: RawOrigin;
  readonly proxyPort: number;
  readonly #pids: readonly number[];
  #cpuMs: number;

  constructor(parts: {
    sluice: RunningSluice;
    origin: RawOrigin;
    secret: RawOrigin;
    proxyPort: number;
    pids: readonly number[];
  }) {
    this.sluice = parts.sluice;
    this.origin = parts.origin;
    this.secret = parts.secret;
    this.proxyPort = parts.proxyPort;
    this.#pids = parts.pids;
    this.#cpuMs = this.#cpuNow();
  }

  /**
   * Every process is the one that it was, what was sent has cost no more than its length allows, and the
   * origins have got only requests that may go to them. Called after each battery.
   */
  async assertUnharmed(inputs: number, bytes: number): Promise<void> {
    assert.ok(this.sluice.isRunning, `sluice ended:\n${this.sluice.output}`);
    assert.deepEqual(
      await this.sluice.workerPids(),
      this.#pids,
      `a worker died:\n${this.sluice.output}`,
    );
    const cpuMs = this.#cpuNow();
    const allowedMs = CPU_MS_FLOOR + inputs * CPU_MS_PER_INPUT + (bytes / 1_024) * CPU_MS_PER_KIB;
    const usedMs = cpuMs - this.#cpuMs;
    assert.ok(
      usedMs < allowedMs,
      `${usedMs} ms of processor time for ${bytes} bytes (at most ${allowedMs})`,
    );
    this.#cpuMs = cpuMs;
    const seen = this.origin.seen.splice(0);
    for (const message of seen) assertForwardable(message);
    assert.equal(this.secret.seen.length, 0, 'a request passed by the client certificate');
    const targets = seen.map(({ start }) => start.split(' ')[1]!);
    const smuggled = new Set(targets.filter((target) => target.startsWith('/smuggled')));
    assert.deepEqual([...smuggled], [], 'requests that no rule has judged');
  }

  #cpuNow(): number {
    return this.#pids.reduce((sum, pid) => sum + cpuMsOf(pid), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sluice[Symbol.asyncDispose]();
    await this.origin[Symbol.asyncDispose]();
    await this.secret[Symbol.asyncDispose]();
  }
}

/** A request is one that the rules let go on, in the one spelling that everybody reads alike. */
function assertForwardable(message: Message): void {
  assert.match(message.start, /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e]+ HTTP\/1\.1$/);
  const hosts = message.fields.lines.filter(([name]) => name === 'host');
  assert.equal(hosts.length, 1, message.start);
  assert.match(hosts[0]![1], /^(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i);
  assert.doesNotMatch(hosts[0]![1], /secret/i, 'a host that asks for a certificate');
  for (const [name, value] of message.fields.lines) {
    assert.match(name, /^[!#$%&'*+.^_`|~0-9a-z-]+$/, JSON.stringify(name));
    assert.doesNotMatch(value, /[\x00-\x08\x0a-\x1f\x7f]/, JSON.stringify(value));
    assert.notEqual(name, 'x-injected');
  }
  const lengths = message.fields.lines.filter(([name]) => name === 'content-length').length;
  const codings = message.fields.lines.filter(([name]) => name === 'transfer-encoding').length;
  assert.ok(lengths + codings <= 1, `two framings: ${message.start}`);
  const path = message.start.split(' ')[1]!.split('?')[0]!;
  const plain = decodeURIComponent(path.replace(/%(?![0-7][0-9a-f])/gi, '%25'));
  assert.doesNotMatch(
    plain.replaceAll(/\/+/g, '/'),
    /^\/admin(?:\/|$)/,
    `denied: ${message.start}`,
  );
}

export async function startHostileSite(): Promise<HostileSite> {
  const answer = (socket: Socket, request: Message) => {
    const content = request.start.split(' ')[1]!.slice(0, 20);
    // Vary makes the cache read what clients send in these fields.
    const fields = 'Cache-Control: max-age=60\r\nVary: Origin, Accept-Language, Cookie\r\n';
    socket.write(`HTTP/1.1 200 OK\r\n${fields}Content-Length: ${content.length}\r\n\r\n${content}`);
  };
  const origin = await startRawOrigin(answer);
  const secret = await startRawOrigin(answer);
  const directory = temporaryDirectory();
  for (const name of ['open.example', 'secret.example']) {
    const { certificatePem, keyPem } = makeSelfSignedCertificate({
      names: [name, `*.${name}`],
      nowMs: Date.now(),
    });
    writeFileSync(join(directory, `${name}.pem`), certificatePem);
    writeFileSync(join(directory, `${name}.key`), keyPem);
  }
  const proxyPort = await freePort();
  const file = join(directory, 'sluice.yaml');
  writeFileSync(file, JSON.stringify(configuration(origin.url, secret.url, proxyPort)));
  const sluice = await startSluice({ workers: 2, listensByFile: true, flags: ['--config', file] });
  const pids = await sluice.workerPids();
  return new HostileSite({ sluice, origin, secret, proxyPort, pids });
}

function configuration(origin: string, secret: string, proxyPort: number): object {
  const certificate = (name: string) => [{ cert: `${name}.pem`, key: `${name}.key` }];
  return {
    listeners: [
      { address: '127.0.0.1:0', protocol: 'http' },
      { address: '127.0.0.1:0', protocol: 'https' },
      {
        address: `127.0.0.1:${proxyPort}`,
        protocol: 'http',
        'proxy-protocol': { accept: 'required', from: ['127.0.0.0/8'] },
      },
    ],
    hosts: [
      { names: ['open.example', '*.open.example'], certificates: certificate('open.example') },
      {
        names: ['secret.example', '*.secret.example'],
        certificates: certificate('secret.example'),
        tls: { 'client-certificates': { mode: 'required', ca: 'secret.example.pem' } },
      },
    ],
    origins: { open: { servers: [origin] }, secret: { servers: [secret] } },
    routes: [
      {
        match: { hosts: ['secret.example', '*.secret.example'] },
        origin: 'secret',
      },
      {
        origin: 'open',
        access: [{ deny: 'all', paths: ['/admin'] }],
        // biome-ignore-start lint/suspicious/noTemplateCurlyInString: variables of the configuration
        'request-headers': { set: { 'X-Sni': '${server-name}', 'X-Query': '${query}' } },
        // biome-ignore-end lint/suspicious/noTemplateCurlyInString: as above
        compression: 'on',
      },
    ],
    connect: { from: ['127.0.0.1'], ports: [443] },
  };
}

function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS_PER_SECOND;
}
