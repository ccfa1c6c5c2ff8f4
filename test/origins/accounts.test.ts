import assert from 'node:assert/strict';
import test from 'node:test';
import { makeSelfSignedCertificate } from '../../src/tls/self-signed.ts';
import { defaultGroupOptions, type OriginServerOptions } from '../../src/upstream/options.ts';
import { serverAt, startGroup } from '../support/origin-group.ts';
import { startRawOrigin, startSecureOrigin, unusedPort } from '../support/origins.ts';
import { sleep, until } from '../support/waiting.ts';
import { liveHandles } from '../tls/wire.ts';

const before = liveHandles();

/** The same numbers in every run. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** An origin that answers, breaks, stops half-way, or keeps silent, by chance. */
function startErratic(random: () => number) {
  return startRawOrigin((socket) => {
    const chance = random();
    if (chance < 0.2) socket.destroy();
    else if (chance < 0.3) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf');
    else if (chance < 0.4) socket.resetAndDestroy();
    else if (chance < 0.5) socket.write('HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n');
    else if (chance > 0.05 * 19) return;
    else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
}

for (const seed of [1, 2, 3]) {
  test(`whatever origins and clients do, all accounts come back to nothing (seed ${seed})`, async () => {
    const random = randomFrom(seed);
    const certificate = makeSelfSignedCertificate({ names: ['localhost'], nowMs: Date.now() });
    await using first = await startErratic(random);
    await using second = await startErratic(random);
    await using secure = await startSecureOrigin(certificate, (request, response) => {
      if (random() < 0.2) request.socket.destroy();
      else response.end('ok');
    });
    const servers: OriginServerOptions[] = [
      serverAt(first.port, { weight: 2 }),
      serverAt(second.port),
      serverAt(secure.port, { scheme: 'https', http2: 'alpn' }),
      serverAt(await unusedPort()),
      serverAt(first.port, { host: 'no-such-name.invalid' }),
    ];
    const balances = [
      { method: 'round-robin' },
      { method: 'least-connections' },
      { method: 'consistent-hash', key: { on: 'path' }, loadFactor: 1.25 },
    ] as const;
    await using asked = startGroup(servers, {
      balance: balances[seed - 1]!,
      connectionsMax: 4,
      requestsMax: 60,
      retries: { ...defaultGroupOptions.retries, statuses: [503] },
      passiveHealth: { ...defaultGroupOptions.passiveHealth, ejectionMs: 30, failures: 3 },
      timeouts: { ...defaultGroupOptions.timeouts, responseMs: 60, queueMs: 100, keepAliveMs: 30 },
      tls: { ...defaultGroupOptions.tls, verify: false },
      resolve: { ...defaultGroupOptions.resolve, servers: ['127.0.0.1:9'] },
      proxyProtocol: seed === 3 ? 'v1' : 'off',
    });
    const running = Array.from({ length: 300 }, async (_, i) => {
      await sleep(random() * 400);
      const [method, content] = random() < 0.3 ? ['PUT', 'content'] : ['GET', ''];
      const { answer, cancel } = asked.begin({ method, content, path: `/${i % 17}` });
      if (random() < 0.2) {
        await sleep(random() * 30);
        cancel();
        return;
      }
      await answer;
    });
    await Promise.all(running);
    assert.equal(asked.group.liveCount, 0);
    for (const { activeCount, key } of asked.group.endpoints) assert.equal(activeCount, 0, key);
    await until(
      () => asked.group.endpoints.every(({ pool }) => pool.connectionCount === 0),
      'all connections to be closed',
    );
  });
}

test('nothing native is left', async () => {
  await until(() => JSON.stringify(liveHandles()) === JSON.stringify(before), 'all to be freed');
});
