// Runs alone: it measures time.
import assert from 'node:assert/strict';
import test from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { standbyOf, waitOfKill } from '../support/replacement.ts';
import { startSluice } from '../support/sluice.ts';

/** Each dies once: the first death of a place is answered at once, however short its life was. */
const WORKERS = 6;

test('clients of a worker that is killed are served again within 100 ms', async (t) => {
  await using origin = await startOrigin((_request, response) => response.end('ok'));
  await using sluice = await startSluice({ origin: origin.url, workers: WORKERS });
  const waits: number[] = [];
  for (let index = 0; index < WORKERS; index++) {
    await standbyOf(sluice);
    waits.push(await waitOfKill(sluice, index));
  }
  t.diagnostic(`waited ${waits.map((ms) => ms.toFixed()).join(', ')} ms`);
  // Whatever else the machine does can only add to it: the least is what sluice itself needs.
  assert.ok(Math.min(...waits) <= 100, `${waits} ms`);
});
