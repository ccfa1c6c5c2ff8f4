/** Pebble, a certificate authority for tests of ACME, with the DNS server that it asks. */
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { Authority } from './authority.ts';
import { ended, findProgram, start } from './programs.ts';
import { temporaryDirectory } from './temporary.ts';
import { freePort, until } from './waiting.ts';

/** For a test's `skip` option: false when both programs are there. */
export function unlessPebble(): false | string {
  const missing = ['pebble', 'pebble-challtestsrv'].find((name) => findProgram(name) === null);
  return missing === undefined ? false : `${missing} is not installed (Debian: pebble)`;
}

export interface PebbleSettings {
  /** Where it asks for http-01, and for tls-alpn-01. */
  readonly httpPort: number;
  readonly tlsPort: number;
  /** Its faults, and how it waits (see its manual). */
  readonly environment?: Readonly<Record<string, string>>;
}

/** For all that a test process starts: it speaks for each pebble. */
let authority: Authority | null = null;

export class Pebble implements AsyncDisposable {
  readonly directory: string;
  /** PEM file of who speaks for the directory. */
  readonly caFile: string;
  /** Where its DNS server answers. */
  readonly resolver: string;
  readonly #management: number;
  readonly #dnsManagement: number;
  readonly #children: readonly ReturnType<typeof start>[];
  readonly #output: () => string;

  constructor(input: {
    ports: { acme: number; management: number; dns: number; dnsManagement: number };
    caFile: string;
    children: readonly ReturnType<typeof start>[];
    output: () => string;
  }) {
    const { ports, caFile, children, output } = input;
    this.directory = `https://localhost:${ports.acme}/dir`;
    this.resolver = `127.0.0.1:${ports.dns}`;
    this.caFile = caFile;
    this.#management = ports.management;
    this.#dnsManagement = ports.dnsManagement;
    this.#children = children;
    this.#output = output;
  }

  /** What it has logged. */
  get output(): string {
    return this.#output();
  }

  /** The root that what it issues leads to, PEM. */
  root(): Promise<string> {
    return askPebble(`https://localhost:${this.#management}/roots/0`);
  }

  /** `Valid` or `Revoked`, by the hexadecimal serial number. */
  async statusOf(serial: string): Promise<string> {
    const path = `cert-status-by-serial/${serial.toLowerCase()}`;
    const text = await askPebble(`https://localhost:${this.#management}/${path}`);
    return (JSON.parse(text) as { Status: string }).Status;
  }

  /** Tells its DNS server something, by a path of its interface: `set-txt`, `add-caa`. */
  async dns(path: string, body: object): Promise<void> {
    const url = `${this.dnsUrl}/${path}`;
    const { status } = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
    if (status !== 200) throw new Error(`${path}: status ${status}`);
  }

  /** The address of that interface. */
  get dnsUrl(): string {
    return `http://127.0.0.1:${this.#dnsManagement}`;
  }

  /** It does not answer from now on, until it is told to go on. */
  pause(): void {
    this.#children[0]!.kill('SIGSTOP');
  }

  resume(): void {
    this.#children[0]!.kill('SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(this.#children.map((child) => ended(child)));
  }
}

export async function startPebble(settings: PebbleSettings): Promise<Pebble> {
  const { httpPort, tlsPort, environment = {} } = settings;
  const [acme, management, dns, dnsManagement] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  authority ??= new Authority();
  const { certificateFile, keyFile } = authority.issue({ names: ['localhost'] });
  const config = join(temporaryDirectory(), 'pebble.json');
  const pebble = {
    listenAddress: `127.0.0.1:${acme}`,
    managementListenAddress: `127.0.0.1:${management}`,
    certificate: certificateFile,
    privateKey: keyFile,
    httpPort,
    tlsPort,
    ocspResponderURL: '',
    externalAccountBindingRequired: false,
  };
  writeFileSync(config, JSON.stringify({ pebble }));
  const resolver = start('pebble-challtestsrv', [
    ...['-http01', '', '-https01', '', '-tlsalpn01', ''],
    ...['-dns01', `127.0.0.1:${dns}`, '-management', `127.0.0.1:${dnsManagement}`],
    ...['-defaultIPv4', '127.0.0.1', '-defaultIPv6', ''],
  ]);
  const child = start('pebble', ['-config', config, '-dnsserver', `127.0.0.1:${dns}`], {
    env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '0', ...environment },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr, resolver.stdout, resolver.stderr]) {
    stream!.on('data', (bytes: Buffer) => {
      output += bytes.toString();
    });
  }
  const running = new Pebble({
    ports: { acme, management, dns, dnsManagement },
    caFile: authority.certificateFile,
    children: [child, resolver],
    output: () => output,
  });
  await until(
    async () => {
      const hasEnded = child.exitCode !== null || resolver.exitCode !== null;
      if (hasEnded) throw new Error(`pebble ended at its start:\n${output}`);
      const answers = [askPebble(running.directory), fetch(running.dnsUrl)];
      return (await Promise.allSettled(answers)).every(({ status }) => status === 'fulfilled');
    },
    () => `pebble to answer; it printed: ${output}`,
  );
  return running;
}

function askPebble(url: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const asked = request(url, { ca: authority!.certificatePem, agent: false }, (response) => {
    response.toArray().then((pieces) => resolve(Buffer.concat(pieces).toString()), reject);
  });
  asked.on('error', reject);
  asked.end();
  return promise;
}
