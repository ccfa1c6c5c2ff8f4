import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import { cacheCommand } from './cache.ts';
import type { Command } from './command.ts';
import { featuresCommand } from './features.ts';
import { handshakesCommand } from './handshakes.ts';
import { logCommand } from './log.ts';
import { originsCommand } from './origins.ts';
import { statusCommand } from './status.ts';

/** Of a peer that would like to write lines and columns of its own. */
const SENT = 'sent\nFORGED all is well\tFORGED\r\nFORGED\x1b[2K';

const variant = {
  ...{ status: 200, tier: SENT, contentLength: 1, part: SENT, vary: { [SENT]: SENT, b: null } },
  ...{ isFresh: true, ageSeconds: 1, lifetimeSeconds: 2, lifetimeSource: SENT },
  ...{ fields: { [SENT]: SENT }, storedAt: SENT },
};
const counted = [{ value: SENT, count: 1 }];
const trouble = { text: SENT, seconds: 1 };
const server = {
  ...{ name: SENT, state: SENT, wanted: SENT, weight: 1, backup: true, requests: 1, trouble },
};
const observer = { name: SENT, enabled: 1, disabled: 1, faults: 1, lastFault: SENT };
const tier = { bytes: 1, bytesMax: 2, entries: 3, evictions: 4, faults: 5 };
const worker = { index: 0, state: SENT, pid: 1, startedAt: SENT, restarts: 1 };

/** What an admin endpoint answers, with a peer's text wherever there is a text. */
const answers: Record<string, unknown> = {
  '/cache': { directory: SENT, memory: tier, disk: tier, requests: { [SENT]: 1 } },
  '/cache/lookup': {
    ...{ key: SENT, state: SENT, why: SENT },
    workers: [{ worker: 0, variants: [variant] }],
  },
  '/cache/list': { entries: [{ ...variant, key: SENT, ttlSeconds: 3 }], next: SENT },
  '/features': {
    ...{ enabled: false, deathsMax: 3, windowMs: 1_000, refused: [SENT] },
    rollbacks: [
      { name: SENT, state: SENT, incident: SENT, reason: SENT, since: SENT, until: SENT },
    ],
    steps: [{ time: SENT, message: SENT }],
  },
  '/log': {
    events: [
      {
        ...{ sequence: 1, time: SENT, level: 'info', subsystem: SENT, worker: 1, message: SENT },
        ...{ fields: { [SENT]: SENT }, more: 2 },
      },
    ],
    last: 1,
  },
  '/log/levels': { levels: { [SENT]: SENT }, changed: [{ subsystem: SENT, until: SENT }] },
  '/handshakes/failures': {
    failures: [
      {
        ...{ count: 1, error: SENT, alert: SENT, alertSentBy: 'peer', version: SENT },
        ...{ lastState: SENT, lastAtMs: 1 },
        ...{ addresses: counted, serverNames: counted, fingerprints: counted },
      },
    ],
  },
  '/handshakes/observers': { observers: [observer] },
  '/origins': {
    origins: [{ name: SENT, balance: SENT, retries: 1, circuitOpenings: 1, servers: [server] }],
  },
  '/overview': {
    listeners: [SENT],
    certificates: [{ names: SENT, until: SENT, days: 1 }],
    configuration: { file: SENT, appliedAt: SENT },
    rates: { requestsPerSecond: 1, hitPercent: 1, errorPercent: 1, connections: 1 },
    wrong: [{ what: SENT, remedy: SENT }],
  },
  '/stats': {
    ...{ version: SENT, pid: 1, state: SENT, uptimeSeconds: 1, workers: [worker] },
    earlyData: { refusal: SENT, forSeconds: 1 },
  },
};

const cases: [words: string, command: Command][] = [
  ['cache status', cacheCommand],
  ['cache lookup https://a.test/', cacheCommand],
  ['cache list', cacheCommand],
  ['features list', featuresCommand],
  ['log show', logCommand],
  ['log level', logCommand],
  ['handshakes failures', handshakesCommand],
  ['handshakes observers', handshakesCommand],
  ['origins list', originsCommand],
  ['status', statusCommand],
];

/** What a command writes to standard output, where the test runner writes bytes meanwhile. */
async function printed(run: () => Promise<unknown>): Promise<string> {
  const { write } = process.stdout;
  let text = '';
  process.stdout.write = function (this: unknown, ...written: Parameters<typeof write>) {
    const [piece] = written;
    if (typeof piece !== 'string') return write.apply(process.stdout, written);
    text += piece;
    return true;
  } as typeof write;
  try {
    await run();
  } finally {
    process.stdout.write = write;
  }
  return text;
}

for (const [words, command] of cases) {
  test(`sluice ${words}: what a peer has sent begins no line and no column`, async () => {
    const admin = createServer(({ url }, response) => {
      response.setHeader('content-type', 'application/json');
      const path = url!.replace(/\?.*/, '');
      response.end(JSON.stringify(answers[path] ?? {}));
    });
    admin.listen(0, '127.0.0.1');
    await once(admin, 'listening');
    const { port } = admin.address() as AddressInfo;
    const [, ...rest] = words.split(' ');
    try {
      const text = await printed(async () =>
        command.run([...rest, '--admin', `127.0.0.1:${port}`], {}),
      );
      assert.ok(
        text.includes('sent\\x0aFORGED all is well\\x09FORGED\\x0d\\x0aFORGED\\x1b'),
        'its text',
      );
      assert.ok(!/^FORGED|[\t\r\x1b]/m.test(text), JSON.stringify(text));
      assert.ok(text.endsWith('\n'));
    } finally {
      admin.close();
    }
  });
}
