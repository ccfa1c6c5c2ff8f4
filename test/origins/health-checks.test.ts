import assert from 'node:assert/strict';
import test from 'node:test';
import { makeSelfSignedCertificate } from '../../src/tls/self-signed.ts';
import {
  defaultGroupOptions,
  type HealthCheckOptions,
  type OriginGroupOptions,
} from '../../src/upstream/options.ts';
import { sharedHealthWords } from '../../src/upstream/shared-health.ts';
import { GroupUnderTest, serverAt, startGroup } from '../support/origin-group.ts';
import { startOrigin, startSecureOrigin } from '../support/origins.ts';
import { until } from '../support/waiting.ts';

const check: HealthCheckOptions = {
  intervalMs: 50,
  timeoutMs: 1_000,
  path: '/healthz',
  host: '',
  statuses: [[200, 299]],
  rise: 2,
  fall: 2,
};

/** An origin whose answers to checks the test decides, by status. */
async function checked(name: string) {
  const state = { status: 200, isSilent: false };
  const origin = await startOrigin((request, response) => {
    if (request.url === '/healthz' && state.isSilent) return;
    if (request.url === '/healthz') response.statusCode = state.status;
    response.end(name);
  });
  return { origin, state, port: origin.port };
}

const stateOf = (asked: GroupUnderTest, index: number) => asked.group.endpoints[index]!.state;

test('a server that fails its checks gets no requests, until it passes them again', async () => {
  const [a, b] = [await checked('a'), await checked('b')];
  await using _first = a.origin;
  await using _second = b.origin;
  await using asked = startGroup([serverAt(a.port), serverAt(b.port)], { healthCheck: check });
  await until(() => a.origin.asked('/healthz').length >= 2, 'two checks');
  assert.equal(await asked.sequence(4), 'abab');
  a.state.status = 503;
  await until(() => stateOf(asked, 0) === 'unhealthy', 'a to be taken out');
  assert.equal(await asked.sequence(4), 'bbbb');
  a.state.status = 204;
  await until(() => stateOf(asked, 0) === 'up', 'a to come back');
  assert.match(await asked.sequence(2), /a/);
});

test('rise and fall are how many answers it takes', async () => {
  const a = await checked('a');
  await using _origin = a.origin;
  await using asked = startGroup([serverAt(a.port)], {
    healthCheck: { ...check, rise: 3, fall: 3 },
  });
  const count = () => a.origin.asked('/healthz').length;
  await until(() => count() >= 1, 'a first check');
  a.state.status = 500;
  const before = count();
  await until(() => stateOf(asked, 0) === 'unhealthy', 'a to be taken out');
  assert.ok(count() - before >= 3, `${count() - before} bad answers`);
  a.state.status = 200;
  const bad = count();
  await until(() => stateOf(asked, 0) === 'up', 'a to come back');
  assert.ok(count() - bad >= 3, `${count() - bad} good answers`);
});

test('the first answer counts at once', async () => {
  const a = await checked('a');
  await using _origin = a.origin;
  a.state.status = 500;
  await using asked = startGroup([serverAt(a.port)], {
    healthCheck: { ...check, intervalMs: 3_600_000, fall: 100 },
  });
  await until(() => stateOf(asked, 0) === 'unhealthy', 'a to be taken out');
  assert.equal((await asked.ask()).error, 'origin-unavailable');
});

test('the path, the host field and the statuses are as set', async () => {
  const a = await checked('a');
  await using _origin = a.origin;
  a.state.status = 404;
  await using asked = startGroup([serverAt(a.port)], {
    healthCheck: {
      ...check,
      path: '/healthz',
      host: 'health.example',
      statuses: [
        [200, 200],
        [404, 404],
      ],
    },
  });
  await until(() => a.origin.seen.length >= 3, 'three checks');
  assert.equal(stateOf(asked, 0), 'up');
  assert.equal(a.origin.seen[0]!.headers.host, 'health.example');
});

test('by default the host field is the server’s own', async () => {
  const [a, b] = [await checked('a'), await checked('b')];
  await using _first = a.origin;
  await using _second = b.origin;
  await using _asked = startGroup([serverAt(a.port), serverAt(b.port)], { healthCheck: check });
  for (const { origin, port } of [a, b]) {
    await until(() => origin.seen.length > 0, 'a check');
    assert.equal(origin.seen[0]!.headers.host, `127.0.0.1:${port}`);
  }
});

test('checks come as often as is set', async () => {
  const [seldom, often] = [await checked('seldom'), await checked('often')];
  await using _first = seldom.origin;
  await using _second = often.origin;
  const healthCheck = { ...check, intervalMs: 3_600_000 };
  await using _seldom = startGroup([serverAt(seldom.port)], { healthCheck });
  await using _often = startGroup([serverAt(often.port)], { healthCheck: check });
  await until(() => often.origin.seen.length >= 5 && seldom.origin.seen.length > 0, 'checks');
  assert.equal(seldom.origin.seen.length, 1);
});

test('an answer that does not come in time is a bad one', async () => {
  const a = await checked('a');
  await using _origin = a.origin;
  a.state.isSilent = true;
  await using asked = startGroup([serverAt(a.port)], {
    healthCheck: { ...check, timeoutMs: 50 },
  });
  await until(() => stateOf(asked, 0) === 'unhealthy', 'a to be taken out');
});

test('without a path a connection is enough, and over TLS a handshake', async () => {
  const certificate = makeSelfSignedCertificate({ names: ['localhost'], nowMs: Date.now() });
  await using origin = await startSecureOrigin(certificate, (_request, response) => response.end());
  const healthCheck = { ...check, path: '' };
  const server = serverAt(origin.port, { scheme: 'https', http2: 'alpn' });
  let handshakes = 0;
  origin.server.on('secureConnection', () => handshakes++);
  const tls = { ...defaultGroupOptions.tls, verify: false };
  await using well = startGroup([server], { healthCheck, tls });
  await until(() => handshakes >= 2, 'two checks');
  assert.equal(stateOf(well, 0), 'up');
  assert.equal(origin.seen.length, 0, 'nothing is asked');
  // The certificate is nobody's that is trusted.
  await using unwell = startGroup([server], { healthCheck });
  await until(() => stateOf(unwell, 0) === 'unhealthy', 'the origin to be taken out');
  assert.match(unwell.group.endpoints[0]!.checkFault, /certificate/);
});

test('one worker of a machine checks, all obey; when it is gone another one goes on', async () => {
  const a = await checked('a');
  await using _origin = a.origin;
  const sharedHealth = new Int32Array(new SharedArrayBuffer(sharedHealthWords * 4));
  const options: OriginGroupOptions = {
    ...defaultGroupOptions,
    name: 'app',
    servers: [serverAt(a.port)],
    healthCheck: { ...check, timeoutMs: 250 },
  };
  await using second = await (async () => {
    await using first = new GroupUnderTest(options, sharedHealth, 0);
    await until(() => a.origin.seen.length >= 2, 'checks of the first');
    const other = new GroupUnderTest(options, sharedHealth, 1);
    a.state.status = 500;
    await until(() => stateOf(first, 0) === 'unhealthy', 'the first to know');
    await until(() => stateOf(other, 0) === 'unhealthy', 'the second to know');
    assert.equal(other.group.endpoints[0]!.checkFault, '', 'it has not checked by itself');
    return other;
  })();
  a.state.status = 200;
  await until(() => stateOf(second, 0) === 'up', 'the second to check');
});

test('a group that begins, as after a reload, leaves alone what is known to be unwell', async () => {
  const [a, b] = [await checked('a'), await checked('b')];
  await using _first = a.origin;
  await using _second = b.origin;
  const sharedHealth = new Int32Array(sharedHealthWords);
  const options: OriginGroupOptions = {
    ...defaultGroupOptions,
    name: 'app',
    servers: [serverAt(a.port), serverAt(b.port)],
    healthCheck: check,
  };
  a.state.status = 500;
  await using before = new GroupUnderTest(options, sharedHealth);
  await until(() => stateOf(before, 0) === 'unhealthy', 'a to be taken out');
  before.setAdminState(b.port, 'drain');
  await using after = new GroupUnderTest(options, sharedHealth);
  assert.deepEqual([stateOf(after, 0), stateOf(after, 1)], ['unhealthy', 'drain']);
  assert.equal((await after.ask()).error, 'origin-unavailable');
});
