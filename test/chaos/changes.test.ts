// Upgrades and reloads under clients that keep their connections and repeat nothing: each byte is right.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import test from 'node:test';
import { runSluice } from '../cli/sluice-process.ts';
import { startOrigin } from '../support/origins.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { PATIENCE_MS, sleep, until } from '../support/waiting.ts';
import { answerWithBody, countOf, faultsIn, KeptClients, randomOf, seedOf } from './identity.ts';

const isLong = process.env.SLUICE_LONG === '1';
const UPGRADES = isLong ? 20 : 2;
const RELOADS = isLong ? 50 : 5;
const CLIENTS = isLong ? 24 : 12;
/** Between two requests of a client: also longer than it takes a drain to end what is idle. */
const PAUSES_MS = [0, 5, 20, 200];

const origin = await startOrigin(answerWithBody);
const other = await startOrigin(answerWithBody);
test.after(async () => {
  await origin[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
});

/** Half of the paths are a few that are kept, half are new each time. */
function busyClients({ httpPort }: RunningSluice, seed: number): KeptClients {
  const random = randomOf(seed);
  let next = 0;
  return new KeptClients(httpPort, {
    count: CLIENTS,
    path: () => (random(2) === 0 ? `/kept/${random(40)}` : `/new/${seed}/${next++}`),
    pauseMs: () => PAUSES_MS[random(PAUSES_MS.length)]!,
  });
}

test(`${UPGRADES} upgrades: no request of clients that keep connections fails`, {
  timeout: PATIENCE_MS * (UPGRADES + 4),
}, async (t) => {
  const directory = temporaryDirectory();
  const pidFile = join(directory, 'pid');
  writeFileSync(pidFile, '');
  const cache = ['--cache-dir', join(directory, 'cache'), '--cache-size', '64MiB'];
  const flags = ['--pid-file', pidFile, ...cache];
  await using sluice = await startSluice({ origin: origin.url, workers: 2, flags });
  const clients = busyClients(sluice, seedOf(t));
  let pid = 0;
  try {
    for (let i = 0; i < UPGRADES; i++) {
      await clients.more(50);
      const at = `127.0.0.1:${sluice.adminPort}`;
      const { code, stdout, stderr } = await runSluice(['upgrade', '--admin', at]);
      assert.equal(code, 0, stderr);
      pid = Number(/^process (\d+) serves/.exec(stdout)?.[1]);
    }
    await clients.more(50);
    const { metrics } = await sluice.stats();
    assert.equal(metrics.sluice_worker_restarts_total?.[0]?.value ?? 0, 0);
  } finally {
    await clients.end();
    // No child of ours, as what an upgrade starts is none.
    if (pid > 0) process.kill(pid, 'SIGKILL');
  }
  t.diagnostic(`${clients.answers.length} requests`);
  assert.equal(
    countOf(clients.answers, 'right'),
    clients.answers.length,
    faultsIn(clients.answers),
  );
});

/** What a reload brings, by its number: each takes effect, and none changes a byte. */
function configurationOf(i: number): object {
  const servers = [[origin.url], [other.url], [origin.url, other.url]][i % 3];
  return {
    origins: { app: { servers, retries: { max: i % 3 } } },
    'early-data': i % 4 === 0 ? 'off' : 'on',
    routes: [
      ...(i % 2 === 0
        ? [{ match: { 'path-prefix': '/aside' }, respond: { status: 200, body: 'aside' } }]
        : []),
      {
        origin: 'app',
        compression: i % 2 === 0 ? 'on' : 'off',
        cache: { enabled: i % 5 === 0 ? 'off' : 'on' },
        'response-headers': { set: { 'X-Reload': String(i) } },
      },
    ],
  };
}

/** Without a trial, in which the next one would wait. */
async function reload({ adminPort }: RunningSluice): Promise<void> {
  const url = `http://127.0.0.1:${adminPort}/reload`;
  const headers = { 'Content-Type': 'application/json' };
  await fetch(url, { method: 'POST', headers, body: '{"canaryMs": 0}' });
  const outcome = await until(async () => {
    const { reload: now } = (await (await fetch(url)).json()) as {
      reload: { phase: string; outcome: string };
    };
    return now.phase === 'over' && now.outcome;
  }, 'the reload');
  assert.equal(outcome, 'done');
}

/** On a new connection: those that are there keep what they began with. */
async function reloadSeen({ httpPort: port }: RunningSluice): Promise<unknown> {
  const request = get({ port, path: '/kept/0', headers: { host: 'a.example' }, agent: false });
  const [response] = await once(request, 'response');
  response.resume();
  await once(response, 'end');
  return response.headers['x-reload'];
}

test(`${RELOADS} reloads: no request of clients that keep connections fails`, async (t) => {
  const file = join(temporaryDirectory(), 'sluice.yaml');
  writeFileSync(file, JSON.stringify(configurationOf(0)));
  await using sluice = await startSluice({ workers: 2, flags: ['--config', file] });
  const pids = await sluice.workerPids();
  await using clients = busyClients(sluice, seedOf(t));
  for (let i = 1; i <= RELOADS; i++) {
    writeFileSync(file, JSON.stringify(configurationOf(i)));
    await reload(sluice);
    assert.equal(await reloadSeen(sluice), String(i), 'it is active when it is done');
    await sleep(PAUSES_MS[i % PAUSES_MS.length]!);
  }
  await clients.more(50);
  await clients.end();
  t.diagnostic(`${clients.answers.length} requests`);
  assert.equal(
    countOf(clients.answers, 'right'),
    clients.answers.length,
    faultsIn(clients.answers),
  );
  assert.deepEqual(await sluice.workerPids(), pids, 'the same workers');
});
