/** What is recorded of a death, and what follows from it, as flags and as sections say. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { Incident } from '../../src/triage/incident.ts';
import { dangerModule, RETRIED_GROUPS, shakeHands } from '../support/danger.ts';
import { deathsIn } from '../support/incidents.ts';
import { startOrigin } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { startConfigured } from '../support/routes.ts';
import { sClient, sessionFile } from '../support/s-client.ts';
import type { RunningSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';
import { startWebhook } from '../support/webhook.ts';

const GET = 'GET /early HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
const RETRIED = 'danger-group-in-callback';

const origin = await startOrigin((_request, response) => response.end('ok'));
test.after(() => origin[Symbol.asyncDispose]());

/** Two workers, of which one dies or hangs by an observer. */
function startWith(observer: string, options: object): Promise<RunningSluice> {
  const features = { [observer]: 'on' };
  const file = { origin: origin.url, 'danger-module': dangerModule, features, ...options };
  return startConfigured({ file, workers: 2 });
}

function deathsSoFar(directory: string): Incident[] {
  return existsSync(directory) ? deathsIn(directory) : [];
}

function firstDeath(directory: string): Promise<Incident> {
  return until(() => deathsSoFar(directory)[0] ?? false, 'an incident');
}

const asFlags = (directory: string, webhook: string) => ({
  'incident-dir': directory,
  'incident-addresses': 'off',
  'incident-early-data-digest': 'on',
  'auto-disable-deaths': 1,
  'auto-disable-webhook': webhook,
});
const asSections = (directory: string, webhook: string) => ({
  incidents: { directory, addresses: 'off', 'early-data-digest': 'on' },
  'auto-disable': { deaths: 1, webhook },
});

for (const [form, optionsFor] of Object.entries({ flags: asFlags, sections: asSections })) {
  const skip = unlessInstalled('openssl');
  test(`one death is enough, is told, and leaves what was asked for (${form})`, {
    skip,
  }, async () => {
    const directory = join(temporaryDirectory(), 'incidents');
    await using hook = await startWebhook();
    const observer = 'danger-after-early-data';
    await using sluice = await startWith(observer, optionsFor(directory, hook.url));
    const session = sessionFile();
    await sClient(sluice.httpsPort, { words: ['-tls1_3'], request: GET, keep: session });
    await sClient(sluice.httpsPort, { session, early: GET, request: GET }).catch(() => {});
    const { connections } = await firstDeath(directory);
    for (const { peer } of connections) assert.equal(peer, '', 'addresses are off');
    const pieces = connections.flatMap(({ events }) =>
      events.filter(({ type }) => type === 'early-data'),
    );
    assert.ok(pieces.length > 0);
    for (const piece of pieces) assert.match(JSON.stringify(piece), /"sha256":"[0-9a-f]{64}"/);
    await until(() => hook.messages.length > 0, 'the webhook to be called');
    assert.match(hook.messages[0]!, new RegExp(`${observer} is disabled`));
  });
}

test('without these options an incident has addresses and no digest', {
  skip: unlessInstalled('openssl'),
}, async () => {
  const directory = join(temporaryDirectory(), 'incidents');
  await using sluice = await startWith('danger-after-early-data', { incidents: { directory } });
  const session = sessionFile();
  await sClient(sluice.httpsPort, { words: ['-tls1_3'], request: GET, keep: session });
  await sClient(sluice.httpsPort, { session, early: GET, request: GET }).catch(() => {});
  const { connections } = await firstDeath(directory);
  for (const { peer } of connections) assert.equal(peer, '127.0.0.1');
  assert.doesNotMatch(
    JSON.stringify(connections.map(({ events }) => events)),
    /"early-data".*sha256/,
  );
});

for (const [form, given] of Object.entries({
  scalar: 'off',
  map: { enabled: 'off', deaths: 1 },
})) {
  test(`with auto-disable off nothing is switched off, whatever dies (${form})`, async () => {
    const directory = join(temporaryDirectory(), 'incidents');
    const options = {
      'auto-disable': given,
      incidents: { directory },
      ...(form === 'scalar' && { 'auto-disable-deaths': 1 }),
    };
    await using sluice = await startWith(RETRIED, options);
    for (const count of [1, 2]) {
      await shakeHands(sluice.httpsPort, { groups: RETRIED_GROUPS });
      await until(() => deathsSoFar(directory).length === count, `${count} incidents`);
    }
    assert.doesNotMatch(sluice.output, /is disabled automatically/);
  });
}

const hanging: Record<string, (directory: string) => object> = {
  'asked of gdb': (directory) => ({ incidents: { directory, watchdog: '1s' } }),
  'not asked for by a flag': (directory) => {
    return { 'incident-dir': directory, watchdog: '1s', debugger: 'off' };
  },
  'not asked for by the section': (directory) => {
    return { incidents: { directory, watchdog: '1s', debugger: 'off' } };
  },
};
for (const [name, optionsFor] of Object.entries(hanging)) {
  test(`the stack of what stands still is ${name}`, async () => {
    // A stand-in, since the real one may be missing, or not allowed to look.
    const programs = temporaryDirectory();
    writeFileSync(join(programs, 'gdb'), "#!/bin/sh\necho '#0  0x1 in stood_here ()'\n");
    chmodSync(join(programs, 'gdb'), 0o755);
    const path = process.env.PATH ?? '';
    const directory = join(temporaryDirectory(), 'incidents');
    process.env.PATH = `${programs}:${path}`;
    await using sluice = await startWith('danger-hang', optionsFor(directory));
    process.env.PATH = path;
    await shakeHands(sluice.httpsPort, { servername: 'hang.test' });
    const { death, nativeStack } = await firstDeath(directory);
    const { silentMs } = death!;
    assert.ok(silentMs! >= 1_000 && silentMs! < 10_000, `${silentMs} ms; by default 10 s`);
    assert.equal(nativeStack !== null, name === 'asked of gdb');
    if (nativeStack !== null) assert.match(nativeStack.text, /stood_here/);
  });
}
