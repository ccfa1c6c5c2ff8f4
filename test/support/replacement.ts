/** How long clients wait when a worker is killed. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { RunningSluice } from './sluice.ts';
import { sleep, until } from './waiting.ts';

/** Connections are made for so long after the kill, one every other millisecond. */
const PROBE_MS = 30;

/** Resolves with the time of the answer; null when the connection was refused or broken off. */
async function probe(port: number): Promise<number | null> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    socket.write('GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n');
    await once(socket, 'data');
    return performance.now();
  } catch {
    return null;
  } finally {
    socket.destroy();
  }
}

/** The process that waits to take a place, when there is one. */
export function standbyOf(sluice: RunningSluice): Promise<number> {
  const ask = async () => (await sluice.stats()).standbyPid ?? undefined;
  return until(ask, 'a process in waiting');
}

/**
 * Milliseconds from SIGKILL until every connection made in the next 30 ms is answered, of which
 * those that fell to the killed worker's socket wait for its replacement. Throws when one is not.
 */
export async function waitOfKill(sluice: RunningSluice, index: number): Promise<number> {
  process.kill((await sluice.workerPids())[index]!, 'SIGKILL');
  const killedAtMs = performance.now();
  const probes: Promise<number | null>[] = [];
  while (performance.now() - killedAtMs < PROBE_MS) {
    probes.push(probe(sluice.httpPort));
    await sleep(2);
  }
  const answered = await Promise.all(probes);
  const failed = answered.filter((at) => at === null).length;
  if (failed > 0) throw new Error(`${failed} connections were refused or broken off`);
  return Math.max(...answered.map((at) => at ?? 0)) - killedAtMs;
}
