/**
 * How long clients wait when a worker is killed: from SIGKILL until connections made right after it
 * are answered. `node bench/replacement.ts [KILLS] [--load]`; with `--load` beside wrk, on a hit.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startOrigin } from '../test/support/origins.ts';
import { run } from '../test/support/programs.ts';
import { type RunningSluice, startSluice } from '../test/support/sluice.ts';
import { until } from '../test/support/waiting.ts';

const WORKERS = 2;
/** Every worker lives for longer than ten seconds: its death is no part of a row of them. */
const LIFE_MS = 5_500;
/** Connections are made for so long after the kill, one every other millisecond. */
const PROBE_MS = 30;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { load: { type: 'boolean', default: false } },
});
const kills = Number(positionals[0] ?? 20);

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

/** Milliseconds until all of them were answered. */
async function killOne(sluice: RunningSluice, index: number): Promise<number> {
  await until(async () => (await sluice.stats()).standbyPid ?? undefined, 'a process in waiting');
  await sleep(LIFE_MS);
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

await using origin = await startOrigin((_request, response) => {
  response.setHeader('Cache-Control', 'max-age=3600');
  response.end('ok');
});
await using sluice = await startSluice({ origin: origin.url, workers: WORKERS });
const seconds = Math.ceil((kills * (LIFE_MS + 1_000)) / 1_000);
const words = ['-t1', '-c16', `-d${seconds}s`, `${sluice.httpUrl}/x`];
const load = values.load ? run('wrk', words, { timeoutMs: (seconds + 60) * 1_000 }) : null;
const times: number[] = [];
for (let i = 0; i < kills; i++) times.push(await killOne(sluice, i % WORKERS));
times.sort((a, b) => a - b);
const share = (part: number) => times[Math.ceil(times.length * part) - 1]!.toFixed(0);
console.log(
  `${kills} kills of one of ${WORKERS} workers${values.load ? ' under load' : ''}: ` +
    `p50 ${share(0.5)} ms, p95 ${share(0.95)} ms, most ${share(1)} ms`,
);
if (load !== null) console.log((await load).text.trim());
