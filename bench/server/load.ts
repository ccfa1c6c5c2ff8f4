/**
 * Load on one server: wrk when it is installed, else connections of our own, which are slower and so
 * more often the limit themselves; the share of a core that the server used tells.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../../test/support/programs.ts';
import { cores, measureWith } from './processes.ts';

export interface Sample {
  /** Requests or handshakes in a second. */
  readonly rate: number;
  readonly errors: number;
  /** Milliseconds; null where the tool does not say. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

/**
 * Pins the client's TLS: one group and one cipher suite, so that every server does the same
 * cryptography. Read by OpenSSL in the load generators.
 */
export function clientEnvironment(directory: string): NodeJS.ProcessEnv {
  const file = join(directory, 'client.cnf');
  writeFileSync(
    file,
    `openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = pinned
[pinned]
MinProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519
`,
  );
  return { ...process.env, OPENSSL_CONF: file };
}

export const generator = findProgram('wrk') === null ? 'own generator (no wrk here)' : 'wrk';

/** Requests on `connections` kept-alive connections. */
export async function keepAlive(
  url: string,
  connections: number,
  seconds: number,
  env: NodeJS.ProcessEnv,
): Promise<Sample> {
  if (findProgram('wrk') === null) return ownLoad(url, connections, seconds, env);
  const words = ['-t2', `-c${connections}`, `-d${seconds}s`, '--latency', url];
  const output = await measureWith('wrk', words, env);
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1] ?? Number.NaN);
  const bad = Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0);
  const broken = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(
    output,
  );
  const errors = bad + (broken?.slice(1).reduce((sum, n) => sum + Number(n), 0) ?? 0);
  return { rate, errors, p50Ms: quantile(output, '50%'), p99Ms: quantile(output, '99%') };
}

function quantile(output: string, name: string): number | null {
  const match = new RegExp(`^\\s+${name}\\s+([\\d.]+)(us|ms|s)$`, 'm').exec(output);
  if (match === null) return null;
  const scale = { us: 0.001, ms: 1, s: 1000 }[match[2] as 'us' | 'ms' | 's'];
  return Number(match[1]) * scale;
}

async function ownLoad(
  url: string,
  connections: number,
  seconds: number,
  env: NodeJS.ProcessEnv,
): Promise<Sample> {
  const file = fileURLToPath(new URL('./generator.ts', import.meta.url));
  const halves = [Math.ceil(connections / 2), Math.floor(connections / 2)].filter((n) => n > 0);
  const outputs = await Promise.all(
    halves.map((n) => measureWith(process.execPath, [file, url, `${n}`, `${seconds}`], env)),
  );
  const parts = outputs.map((output) => JSON.parse(output) as Sample);
  const worst = (pick: (sample: Sample) => number | null) =>
    Math.max(...parts.map((part) => pick(part) ?? 0));
  return {
    rate: parts.reduce((sum, part) => sum + part.rate, 0),
    errors: parts.reduce((sum, part) => sum + part.errors, 0),
    p50Ms: worst((part) => part.p50Ms),
    p99Ms: worst((part) => part.p99Ms),
  };
}

/** Processes of `openssl s_time`: each has one connection at a time. */
const HANDSHAKE_CLIENTS = 8;

/**
 * Connections with a full handshake and one request each. The client's part costs more than the
 * server's, so the clients use the origin's core as well: of hits the origin hears nothing.
 */
export async function fullHandshakes(
  port: number,
  path: string,
  seconds: number,
  env: NodeJS.ProcessEnv,
): Promise<Sample> {
  const words = ['s_time', '-connect', `127.0.0.1:${port}`, '-new', '-tls1_3'];
  words.push('-www', path, '-time', String(seconds));
  const outputs = await Promise.all(
    Array.from({ length: HANDSHAKE_CLIENTS }, () =>
      measureWith('openssl', words, env, cores.loadAndOrigin),
    ),
  );
  let rate = 0;
  let errors = 0;
  for (const output of outputs) {
    const real = /^(\d+) connections in (\d+) real seconds/m.exec(output);
    if (real === null) errors++;
    else rate += Number(real[1]) / Number(real[2]);
  }
  return { rate, errors, p50Ms: null, p99Ms: null };
}

export const canMeasureHandshakes = findProgram('openssl') !== null;
export const isPinned = cores.load !== '' && findProgram('taskset') !== null;
