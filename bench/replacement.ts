/**
 * How long clients wait when a worker is killed: from SIGKILL until connections made right after it
 * are answered. `node bench/replacement.ts [KILLS] [--load]`; with `--load` beside wrk, on a hit.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startOrigin } from '../test/support/origins.ts';
import { run } from '../test/support/programs.ts';
import { standbyOf, waitOfKill } from '../test/support/replacement.ts';
import { startSluice } from '../test/support/sluice.ts';

const WORKERS = 2;
/** Every worker lives for longer than ten seconds: its death is no part of a row of them. */
const LIFE_MS = 5_500;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { load: { type: 'boolean', default: false } },
});
const kills = Number(positionals[0] ?? 20);

await using origin = await startOrigin((_request, response) => {
  response.setHeader('Cache-Control', 'max-age=3600');
  response.end('ok');
});
await using sluice = await startSluice({ origin: origin.url, workers: WORKERS });
const seconds = Math.ceil((kills * (LIFE_MS + 1_000)) / 1_000);
const words = ['-t1', '-c16', `-d${seconds}s`, `${sluice.httpUrl}/x`];
const load = values.load ? run('wrk', words, { timeoutMs: (seconds + 60) * 1_000 }) : null;
const times: number[] = [];
for (let i = 0; i < kills; i++) {
  await standbyOf(sluice);
  await sleep(LIFE_MS);
  times.push(await waitOfKill(sluice, i % WORKERS));
}
times.sort((a, b) => a - b);
const share = (part: number) => times[Math.ceil(times.length * part) - 1]!.toFixed(0);
console.log(
  `${kills} kills of one of ${WORKERS} workers${values.load ? ' under load' : ''}: ` +
    `p50 ${share(0.5)} ms, p95 ${share(0.95)} ms, most ${share(1)} ms`,
);
if (load !== null) console.log((await load).text.trim());
