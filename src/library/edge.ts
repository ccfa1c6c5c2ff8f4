/** `edge`: sluice in front of an app of this process. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isPlatformSupported } from '../../bin/runtime.js';
import { type App, type AppServer, listenFor } from './app-server.ts';
import type { Edge, PurgeResult } from './edge-contract.ts';
import { configText, type EdgeOptions, wordsFor } from './edge-options.ts';
import { servePlainly } from './plain-server.ts';
import { askSluice, type SluiceProcess, startSluice } from './sluice-process.ts';

/** Milliseconds between two looks at how a reload goes. */
const RELOAD_INTERVAL_MS = 50;

/**
 * Serves an app with TLS, HTTP/2, a cache and early data, by sluice beside this process. Resolves when
 * requests are served. Rejects with sluice's words when an option is wrong or an address is in use.
 * On systems without sluice (all but Linux) the app is served with plain HTTP, and a warning says so.
 */
export async function edge(app: App, options: EdgeOptions = {}): Promise<Edge> {
  if (!isPlatformSupported()) return servePlainly(app, options);
  // 0700: the sockets in it are nobody else's.
  const directory = mkdtempSync(join(tmpdir(), 'sluice-edge-'));
  const removeDirectory = () => rmSync(directory, { recursive: true, force: true });
  let server: AppServer | null = null;
  try {
    server = await listenFor(app, join(directory, 'app.sock'), options.kind);
    const admin = join(directory, 'admin.sock');
    const configFile = writeConfig(directory, options.config, server.origin);
    const words = wordsFor(options, { origin: server.origin, admin, configFile });
    const sluice = await startSluice(words, options.log ?? 'inherit');
    process.once('exit', removeDirectory);
    return running({ sluice, server, directory, options, removeDirectory, admin });
  } catch (error) {
    await server?.close();
    removeDirectory();
    throw error;
  }
}

function writeConfig(
  directory: string,
  config: EdgeOptions['config'],
  origin: string,
): string | null {
  const text = configText(config, origin);
  if (text === null) return null;
  const file = join(directory, 'sluice.yaml');
  writeFileSync(file, text);
  return file;
}

interface Running {
  readonly sluice: SluiceProcess;
  readonly server: AppServer;
  readonly directory: string;
  readonly options: EdgeOptions;
  readonly admin: string;
  removeDirectory(): void;
}

function running({ sluice, server, directory, options, admin, removeDirectory }: Running): Edge {
  const { serving } = sluice;
  const adminAddress = serving.admin ?? `unix:${admin}`;
  const urls = (wanted: string) =>
    serving.listeners
      .filter(({ kind }) => kind === wanted)
      .map(({ address }) => (address.startsWith('unix:') ? address : `${wanted}://${address}`));
  const addresses = { http: urls('http'), https: urls('https'), admin: adminAddress };
  let closing: Promise<void> | null = null;
  const close = () => {
    closing ??= (async () => {
      removeSignals();
      await sluice.stop();
      await server.close();
      process.off('exit', removeDirectory);
      removeDirectory();
    })();
    return closing;
  };
  const removeSignals = endOnSignals(options.signals, close);
  const closed = sluice.ended.then((how) => {
    if (closing !== null) return closing;
    throw new Error(`sluice has ended by itself (${how})`);
  });
  // Who wants to know looks at `closed`; to others it is said by what does not work any more.
  closed.catch(() => {});
  return {
    url: addresses.https[0] ?? addresses.http[0]!,
    addresses,
    certificates: serving.certificates,
    pid: serving.pid,
    closed,
    purge: async (what) =>
      JSON.parse(await askSluice(adminAddress, '/cache/purge', what)) as PurgeResult,
    metrics: () => askSluice(adminAddress, '/metrics'),
    async reload(config) {
      if (config !== undefined) writeConfig(directory, config, server.origin);
      await reload(adminAddress);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function reload(admin: string): Promise<void> {
  await askSluice(admin, '/reload', {});
  for (;;) {
    const { reload: status } = JSON.parse(await askSluice(admin, '/reload')) as {
      reload: { phase: string; outcome: string; reason: string; remedy: string };
    };
    if (status.phase === 'over') {
      if (status.outcome === 'done' || status.outcome === 'unchanged') return;
      throw new Error(`sluice: reload ${status.outcome}: ${status.reason}; ${status.remedy}`);
    }
    await sleep(RELOAD_INTERVAL_MS);
  }
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Closes in order, and ends as the signal would have ended the app alone. Answers what takes it back. */
function endOnSignals(wanted: boolean | undefined, close: () => Promise<void>): () => void {
  const isWanted = wanted ?? SIGNALS.every((signal) => process.listenerCount(signal) === 0);
  if (!isWanted) return () => {};
  // `close` takes the listeners back, so that the same signal then does what it does without them.
  const listen = (signal: NodeJS.Signals) => {
    const end = () => process.kill(process.pid, signal);
    close().then(end, end);
  };
  for (const signal of SIGNALS) process.once(signal, listen);
  return () => {
    for (const signal of SIGNALS) process.off(signal, listen);
  };
}
