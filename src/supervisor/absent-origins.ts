/**
 * Servers on this machine that are not there yet when sluice starts: the app that somebody is about to
 * start. It is said at once, and again when they are there. A server that is there is never connected
 * to for it: who listens is read from the kernel's tables, and only what was absent is tried.
 */
import { readFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { durationText } from '../base/duration-text.ts';
import { isListening } from '../base/listening.ts';
import { type OnFault, repeated } from '../base/owned.ts';
import type { Report } from '../telemetry/log-event.ts';
import type { OriginGroupOptions } from '../upstream/options.ts';
import { serverNames } from '../upstream/server-names.ts';

/** From one look at an absent server to the next. Milliseconds. */
const LOOK_INTERVAL_MS = 1_000;
/** A table of sockets beyond this is not read: that machine is no developer's. Bytes. */
const TABLE_BYTES_MAX = 1_048_576;

export interface AbsentOriginsInput {
  readonly report: Report;
  readonly onFault: OnFault;
  readonly monotonicMs: () => number;
}

interface Absent {
  readonly group: string;
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

export class AbsentOrigins {
  readonly #input: AbsentOriginsInput;
  readonly #startedMs: number;
  #absent: readonly Absent[] = [];
  #watch: Disposable | null = null;

  constructor(input: AbsentOriginsInput) {
    this.#input = input;
    this.#startedMs = input.monotonicMs();
  }

  async start(groups: readonly OriginGroupOptions[]): Promise<void> {
    const near = groups.flatMap(nearServers);
    if (near.length === 0) return;
    const ports = await listeningPorts();
    if (ports === null) return;
    this.#absent = near.filter(({ port }) => !ports.has(port));
    if (this.#absent.length === 0) return;
    for (const { group, name } of this.#absent) {
      const what = `nothing listens at ${name} yet: start your app there`;
      this.#input.report(`origin ${group}: ${what}; until then requests are answered with 502`, {
        level: 'warning',
        event: 'origin-absent',
        fields: { origin: group, server: name },
      });
    }
    this.#watch = repeated(LOOK_INTERVAL_MS, () => this.#look(), this.#input.onFault);
  }

  isAbsent(group: string, server: string): boolean {
    return this.#absent.some((one) => one.group === group && one.name === server);
  }

  async #look(): Promise<void> {
    const looked = this.#absent;
    const answers = await Promise.all(looked.map((one) => isListening(one.host, one.port)));
    this.#absent = looked.filter((_, i) => !answers[i]);
    const length = durationText(this.#input.monotonicMs() - this.#startedMs);
    for (const { group, name } of looked.filter((_, i) => answers[i])) {
      this.#input.report(`origin ${group}: ${name} is there now, after ${length}`, {
        level: 'notice',
        event: 'origin-present',
        fields: { origin: group, server: name },
      });
    }
    if (this.#absent.length === 0) this.#watch?.[Symbol.dispose]();
  }
}

/** Those at an address that only this machine has. */
function nearServers({ name: group, servers }: OriginGroupOptions): Absent[] {
  const names = serverNames(servers);
  return servers.flatMap(({ host, port }, i) => {
    const isNear =
      host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
    return isNear ? [{ group, name: names[i]!, host, port }] : [];
  });
}

/** Every port that some address of this machine listens at; null when it cannot be known. */
async function listeningPorts(): Promise<ReadonlySet<number> | null> {
  try {
    const tables = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map(tableText));
    return new Set(tables.flatMap(portsIn));
  } catch {
    return null;
  }
}

async function tableText(file: string): Promise<string> {
  const text = await readFile(file, 'latin1').catch((error: NodeJS.ErrnoException) => {
    // Without IPv6 there is no such table.
    if (error.code === 'ENOENT' && file.endsWith('6')) return '';
    throw error;
  });
  if (text.length > TABLE_BYTES_MAX) throw new Error(`${file} is long`);
  return text;
}

/** Of the lines of a table in `/proc/net`, those in the state LISTEN. */
export function portsIn(table: string): number[] {
  const lines = table.matchAll(/^ *\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 0A /gm);
  return [...lines].map(([, port]) => Number.parseInt(port!, 16));
}
