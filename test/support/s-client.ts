/** OpenSSL's `s_client` as a user runs it, and what it says about the handshake. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ended, type RunResult, run, start } from './programs.ts';
import { temporaryDirectory } from './temporary.ts';

const directory = temporaryDirectory();
let files = 0;

export interface ClientRun extends RunResult {
  readonly resumed: boolean;
  readonly version: string;
  /** What s_client prints as `Server Temp Key`, its first word. */
  readonly group: string;
  readonly earlyData: 'accepted' | 'rejected' | 'not sent' | '';
  /** What the server sent, from its first status line on. */
  readonly http: string;
}

export interface ClientOptions {
  /** Further words for s_client. */
  readonly words?: readonly string[];
  /** Sent when the handshake is complete. */
  readonly request?: string;
  /** Sent as early data. */
  readonly early?: string;
  /** A session that an earlier run has kept. */
  readonly session?: string;
  /** Where to keep the session; see {@link sessionFile}. */
  readonly keep?: string;
  readonly timeoutMs?: number;
}

/** A path for a session. */
export function sessionFile(): string {
  return join(directory, `session-${++files}`);
}

/** Whether a run has kept a session in the file. */
export function hasSession(file: string): boolean {
  try {
    return readFileSync(file, 'latin1').includes('BEGIN SSL SESSION');
  } catch {
    return false;
  }
}

function clientWords(port: number, options: ClientOptions): string[] {
  const { words = [], early, session, keep } = options;
  const all = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'localhost'];
  all.push('-ign_eof', ...words);
  if (session !== undefined) all.push('-sess_in', session);
  if (keep !== undefined) all.push('-sess_out', keep);
  if (early !== undefined) {
    const file = join(directory, `early-${++files}`);
    writeFileSync(file, early, 'latin1');
    all.push('-early_data', file);
  }
  return all;
}

/** Runs it until the server closes the connection. */
export async function sClient(port: number, options: ClientOptions = {}): Promise<ClientRun> {
  const { request = '', timeoutMs } = options;
  const result = await run('openssl', clientWords(port, options), {
    input: request,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  return facts(result);
}

/** A running s_client, for tests that look at it before its end. */
export class RunningClient {
  readonly #child: ReturnType<typeof start>;
  #output = '';

  constructor(port: number, options: ClientOptions) {
    this.#child = start('openssl', clientWords(port, options), { stdio: 'pipe' });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on('data', (bytes: Buffer) => {
        this.#output += bytes.toString('latin1');
      });
    }
    if (options.request !== undefined) this.send(options.request);
  }

  get output(): string {
    return this.#output;
  }

  send(text: string): void {
    this.#child.stdin!.write(Buffer.from(text, 'latin1'));
  }

  async end(): Promise<void> {
    this.#child.kill('SIGKILL');
    await ended(this.#child);
  }
}

function facts(result: RunResult): ClientRun {
  const { text } = result;
  const early = /^Early data was (accepted|rejected|not sent)$/m.exec(text)?.[1] ?? '';
  const http = text.indexOf('HTTP/1.1 ');
  return {
    ...result,
    resumed: /^Reused, /m.test(text),
    version: /^(?:New|Reused), (TLSv1\.\d)/m.exec(text)?.[1] ?? '',
    group: /^Server Temp Key: ([^,\s]+)/m.exec(text)?.[1] ?? '',
    earlyData: early as ClientRun['earlyData'],
    http: http === -1 ? '' : text.slice(http),
  };
}
