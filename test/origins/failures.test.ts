import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import test from 'node:test';
import { defaultGroupOptions } from '../../src/upstream/options.ts';
import { serverAt, startGroup } from '../support/origin-group.ts';
import { startOrigin, startRawOrigin, unusedPort } from '../support/origins.ts';
import { until } from '../support/waiting.ts';

const { passiveHealth, retries, timeouts, circuitBreaker } = defaultGroupOptions;

const good = await startOrigin((request, response) => {
  request.resume();
  request.on('end', () => response.end(`good ${request.method}`));
});
test.after(() => good[Symbol.asyncDispose]());

/** Takes each request and closes without an answer. */
async function startBreaking(onRequest: (socket: Socket) => void = (socket) => socket.destroy()) {
  return startRawOrigin(onRequest);
}

const answering = (head: string) => (socket: Socket) => socket.write(head);

test('a request that is safe to repeat goes to another server when one breaks', async () => {
  await using bad = await startBreaking();
  for (const question of [{}, { method: 'PUT', content: 'all of it' }, { method: 'DELETE' }]) {
    await using asked = startGroup([serverAt(bad.port), serverAt(good.port)]);
    const before = good.seen.length;
    const { content } = await asked.ask(question);
    assert.equal(content, `good ${question.method ?? 'GET'}`);
    const seen = good.seen.at(-1)!;
    assert.equal(good.seen.length, before + 1);
    assert.equal(seen.contentBytes, question.content?.length ?? 0, 'the content is repeated');
  }
});

test('what is no response goes to another server, too', async () => {
  const faults = {
    'no HTTP': '\x15\x03 no HTTP\r\n\r\n',
    'a field without a colon': 'HTTP/1.1 200 OK\r\nno colon\r\n\r\n',
    'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    'half a head': 'HTTP/1.1 200 OK\r\nContent-Le',
    'a head beyond the limit': `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(300_000)}\r\n\r\n`,
  };
  for (const [name, fault] of Object.entries(faults)) {
    await using bad = await startBreaking((socket) => socket.end(fault));
    await using asked = startGroup([serverAt(bad.port), serverAt(good.port)]);
    assert.equal((await asked.ask()).content, 'good GET', name);
    await using posting = startGroup([serverAt(bad.port), serverAt(good.port)]);
    const { error } = await posting.ask({ method: 'POST', content: 'pay' });
    assert.notEqual(error, '', `${name}: a POST may have been carried out`);
  }
});

test('a POST is never repeated once it has been sent', async () => {
  await using bad = await startBreaking();
  await using asked = startGroup([serverAt(bad.port), serverAt(good.port)]);
  const before = good.seen.length;
  const { error } = await asked.ask({ method: 'POST', content: 'pay' });
  assert.equal(error, 'connection-closed');
  assert.equal(good.seen.length, before);
});

test('any request goes to another server when the first cannot be connected to', async () => {
  await using asked = startGroup([serverAt(await unusedPort()), serverAt(good.port)]);
  const { content } = await asked.ask({ method: 'POST', content: 'pay' });
  assert.equal(content, 'good POST');
});

test('a response that has begun is not repeated', async () => {
  const half = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf';
  await using bad = await startBreaking((socket) => socket.end(half));
  await using asked = startGroup([serverAt(bad.port), serverAt(good.port)]);
  const before = good.seen.length;
  const { status, error } = await asked.ask();
  assert.deepEqual([status, error], [200, 'response-incomplete']);
  assert.equal(good.seen.length, before);
});

test('content too long to keep is not repeated', async () => {
  await using bad = await startBreaking();
  await using asked = startGroup([serverAt(bad.port), serverAt(good.port)]);
  const { error } = await asked.ask({ method: 'PUT', content: 'x'.repeat(65_537) });
  assert.match(error, /^connection-/);
});

test('retries.statuses: another server answers instead', async () => {
  const busy = 'HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy';
  await using bad = await startBreaking(answering(busy));
  const servers = [serverAt(bad.port), serverAt(good.port)];
  await using asked = startGroup(servers, { retries: { ...retries, statuses: [503] } });
  assert.equal((await asked.ask()).content, 'good GET');
  assert.equal((await asked.ask()).content, 'good GET');
  // Nobody else is left: the response is what there is.
  asked.setAdminState(good.port, 'down');
  assert.equal((await asked.ask()).status, 503);
  await using plain = startGroup(servers);
  assert.equal((await plain.ask()).status, 503, 'by default no status is repeated');
});

test('retries.max bounds how many servers one request goes through', async () => {
  await using bad = await startBreaking();
  await using worse = await startBreaking();
  const servers = [serverAt(bad.port), serverAt(worse.port), serverAt(good.port)];
  const options = { passiveHealth: { ...passiveHealth, failures: 0 } };
  await using asked = startGroup(servers, options);
  assert.equal((await asked.ask()).content, 'good GET');
  const limited = { ...options, retries: { ...retries, retriesMax: 1 } };
  await using few = startGroup(servers, limited);
  assert.equal((await few.ask()).error, 'connection-closed');
});

test('retries.budget: when everything fails, attempts do not multiply', async () => {
  const sockets: Socket[] = [];
  await using bad = await startBreaking((socket) => sockets.push(socket));
  await using worse = await startBreaking((socket) => sockets.push(socket));
  const count = 40;
  await using asked = startGroup([serverAt(bad.port), serverAt(worse.port)], {
    retries: { ...retries, budgetShare: 0.2, budgetMin: 1 },
    passiveHealth: { ...passiveHealth, failures: 0 },
  });
  const answers = Array.from({ length: count }, () => asked.ask());
  await until(() => sockets.length === count, 'all requests to arrive');
  for (const socket of sockets.splice(0)) socket.destroy();
  // A fifth of them are repeated, and held here; the others have failed.
  await until(() => asked.group.liveCount === sockets.length, 'the others to fail');
  assert.ok(sockets.length > 0 && sockets.length <= count / 5, `${sockets.length} are repeated`);
  for (const socket of sockets) socket.destroy();
  for (const { error } of await Promise.all(answers)) assert.match(error, /^connection-/);
});

test('retries.budget-min: so many are repeated, however small the share is', async () => {
  const sockets: Socket[] = [];
  await using bad = await startBreaking((socket) => sockets.push(socket));
  await using worse = await startBreaking((socket) => sockets.push(socket));
  const servers = [serverAt(bad.port), serverAt(worse.port)];
  for (const budgetMin of [0, 3]) {
    await using asked = startGroup(servers, {
      retries: { ...retries, budgetShare: 0, budgetMin },
      passiveHealth: { ...passiveHealth, failures: 0 },
    });
    const answers = Array.from({ length: 20 }, () => asked.ask());
    await until(() => sockets.length === 20, 'all requests to arrive');
    for (const socket of sockets.splice(0)) socket.destroy();
    await until(() => asked.group.liveCount === budgetMin, 'the others to fail');
    await until(() => sockets.length === budgetMin, 'the repeated ones to arrive');
    for (const socket of sockets.splice(0)) socket.destroy();
    await Promise.all(answers);
  }
});

test('retries.budget: what could not be sent at all costs nothing of it', async () => {
  await using asked = startGroup([serverAt(await unusedPort()), serverAt(good.port)], {
    retries: { ...retries, budgetShare: 0, budgetMin: 0 },
    passiveHealth: { ...passiveHealth, failures: 0 },
  });
  const answers = await Promise.all(Array.from({ length: 50 }, () => asked.ask()));
  assert.deepEqual([...new Set(answers.map(({ content }) => content))], ['good GET']);
});

test('passive health: a server that fails so often in a row is left alone for a while', async () => {
  const state = { isWell: false };
  await using shaky = await startRawOrigin((socket) => {
    if (state.isWell) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nshaky');
    else socket.destroy();
  });
  await using asked = startGroup([serverAt(shaky.port), serverAt(good.port)], {
    passiveHealth: { ...passiveHealth, failures: 2, ejectionMs: 1_000 },
  });
  await asked.sequence(8);
  assert.equal(shaky.seen.length, 2, 'two failures, and then nothing');
  assert.equal(asked.group.endpoints[0]!.state, 'ejected');
  state.isWell = true;
  await until(() => asked.group.endpoints[0]!.state === 'up', 'the ejection to end');
  assert.match(await asked.sequence(2), /shaky/);
});

test('passive health: on-5xx counts responses that say so', async () => {
  const broken = 'HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno';
  for (const on5xx of [true, false]) {
    await using bad = await startBreaking(answering(broken));
    await using asked = startGroup([serverAt(bad.port), serverAt(good.port)], {
      passiveHealth: { ...passiveHealth, failures: 2, on5xx },
    });
    await asked.sequence(10);
    assert.equal(bad.seen.length, on5xx ? 2 : 5);
  }
});

test('passive health: an origin that cuts every response off is left alone; one is one failure', async () => {
  const half = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf';
  await using cutting = await startRawOrigin((socket) => socket.end(half));
  await using asked = startGroup([serverAt(cutting.port), serverAt(good.port)], {
    passiveHealth: { ...passiveHealth, failures: 3 },
  });
  await asked.sequence(20);
  assert.equal(cutting.seen.length, 3);
  assert.equal(asked.group.endpoints[0]!.state, 'ejected');
});

test('passive health: whole responses in between, and they are needed whole', async () => {
  const half = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha';
  await using shaky = await startRawOrigin((socket, { start }) => {
    if (start.includes('/cut')) socket.end(half);
    else socket.write(`${half}lf`);
  });
  await using asked = startGroup([serverAt(shaky.port), serverAt(good.port)], {
    passiveHealth: { ...passiveHealth, failures: 2 },
  });
  const [endpoint] = asked.group.endpoints;
  // Round robin: every other request is the other server's.
  for (const path of ['/cut', '/', '/whole', '/', '/cut', '/']) await asked.ask({ path });
  assert.equal(endpoint!.state, 'up');
  // A client that leaves in the middle says nothing about either.
  const { cancel } = asked.begin({ path: '/whole' });
  cancel();
  for (const path of ['/', '/cut']) await asked.ask({ path });
  assert.equal(endpoint!.state, 'ejected');
});

test('passive health: min-rate counts content that comes too slowly', async () => {
  for (const minRate of [1_000, 0]) {
    await using slow = await startRawOrigin((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsl');
      setTimeout(() => socket.write('ow'), 1_100);
    });
    await using asked = startGroup([serverAt(slow.port), serverAt(good.port)], {
      passiveHealth: { ...passiveHealth, failures: 1, minRate },
    });
    assert.match(await asked.sequence(4), minRate > 0 ? /^slow(good GET){3}$/ : /slow.*slow/);
  }
});

test('passive health: never more than the share is ejected, and never the only server', async () => {
  const bad = await Promise.all([startBreaking(), startBreaking(), startBreaking()]);
  const servers = bad.map(({ port }) => serverAt(port));
  const ejected = (asked: ReturnType<typeof startGroup>) =>
    asked.group.endpoints.filter(({ state }) => state === 'ejected').length;
  for (const [ejectedShareMax, expected] of [
    [0, 0],
    [0.34, 1],
    [0.7, 2],
    [1, 3],
  ] as const) {
    await using asked = startGroup(servers, {
      passiveHealth: { ...passiveHealth, failures: 1, ejectedShareMax },
    });
    await asked.sequence(9);
    assert.equal(ejected(asked), expected, `with a share of ${ejectedShareMax}`);
  }
  await using single = startGroup(servers.slice(0, 1), {
    passiveHealth: { ...passiveHealth, failures: 1 },
  });
  await single.sequence(3);
  assert.equal(ejected(single), 0);
  for (const origin of bad) await origin[Symbol.asyncDispose]();
});

test('circuit breaker: after enough failures nothing is asked, then a few try', async () => {
  const state = { isWell: false };
  await using origin = await startRawOrigin((socket) => {
    if (state.isWell) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    else socket.destroy();
  });
  await using asked = startGroup([serverAt(origin.port)], {
    circuitBreaker: {
      ...circuitBreaker,
      failureShare: 0.5,
      requestsMin: 4,
      openMs: 1_000,
      trials: 1,
    },
  });
  for (let i = 0; i < 4; i++) assert.match((await asked.ask()).error, /^connection-/);
  assert.equal(asked.group.circuit, 'open');
  const before = origin.seen.length;
  assert.equal((await asked.ask()).error, 'origin-unavailable');
  assert.equal(origin.seen.length, before, 'the origin is left alone');
  state.isWell = true;
  await until(async () => (await asked.ask()).content === 'ok', 'a trial to succeed');
  assert.equal(asked.group.circuit, 'closed');
});

test('timeouts.response: an origin that takes too long fails, another is asked', async () => {
  await using silent = await startRawOrigin(() => {});
  const quick = { timeouts: { ...timeouts, responseMs: 500 } };
  await using alone = startGroup([serverAt(silent.port)], quick);
  assert.equal((await alone.ask()).error, 'read-timeout');
  await using asked = startGroup([serverAt(silent.port), serverAt(good.port)], quick);
  assert.equal((await asked.ask()).content, 'good GET');
});

test('timeouts.idle: a response that stops is broken off; one that begins late is not', async () => {
  await using slow = await startRawOrigin((socket, request) => {
    const begin = () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab');
    if (request.start.includes('/stops')) begin();
    else setTimeout(() => begin() && socket.write('cd'), 400);
  });
  await using asked = startGroup([serverAt(slow.port)], {
    timeouts: { ...timeouts, idleMs: 150, responseMs: 20_000 },
  });
  const stopped = await asked.ask({ path: '/stops' });
  assert.deepEqual([stopped.status, stopped.error], [200, 'read-timeout']);
  assert.equal((await asked.ask({ path: '/late' })).content, 'abcd');
});

test('timeouts.connect: TCP and TLS together; who does not shake hands in time is passed over', async () => {
  await using mute = await startRawOrigin(() => {});
  const server = serverAt(mute.port, { scheme: 'https', http2: 'alpn' });
  const quick = { timeouts: { ...timeouts, connectMs: 500 } };
  await using alone = startGroup([server], quick);
  assert.equal((await alone.ask()).error, 'connect-timeout');
  await using asked = startGroup([server, serverAt(good.port)], quick);
  assert.equal((await asked.ask({ method: 'POST', content: 'x' })).content, 'good POST');
});

test('timeouts.keep-alive: an unused connection is closed', async () => {
  await using origin = await startRawOrigin(
    answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
  );
  await using asked = startGroup([serverAt(origin.port)], {
    timeouts: { ...timeouts, keepAliveMs: 500 },
  });
  await asked.sequence(3);
  assert.equal(origin.received.length, 1, 'three requests on one connection');
  await until(() => origin.open === 0, 'the connection to be closed');
});

test('connections-max and timeouts.queue: who finds no room waits, and not for ever', async () => {
  const sockets: Socket[] = [];
  await using origin = await startRawOrigin((socket) => sockets.push(socket));
  await using asked = startGroup([serverAt(origin.port)], {
    connectionsMax: 1,
    timeouts: { ...timeouts, queueMs: 600 },
  });
  const first = asked.ask();
  const second = asked.ask();
  assert.equal((await second).error, 'no-connection-available');
  const third = asked.ask();
  await until(() => sockets.length === 1, 'the first request to arrive');
  sockets[0]!.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  assert.equal((await first).content, 'ok');
  await until(() => sockets.length === 2, 'the third request to arrive');
  sockets[1]!.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  assert.equal((await third).content, 'ok');
  assert.equal(origin.received.length, 1, 'one connection for all');
});

test('queued-max and requests-max: more are refused at once', async () => {
  await using silent = await startRawOrigin(() => {});
  await using queued = startGroup([serverAt(silent.port)], { connectionsMax: 1, queuedMax: 1 });
  const held = [queued.begin({})];
  await until(() => silent.seen.length === 1, 'the first request to arrive');
  held.push(queued.begin({}));
  // One is under way, one waits.
  assert.equal((await queued.ask()).error, 'no-connection-available');
  for (const one of held) one.cancel();
  await using limited = startGroup([serverAt(silent.port)], { requestsMax: 2 });
  const running = [limited.begin({}), limited.begin({})];
  assert.equal((await limited.ask()).error, 'no-connection-available');
  running[0]!.cancel();
  assert.equal(limited.group.liveCount, 1);
  running[1]!.cancel();
});

test('queued-max counts those without a connection on its way: with 0 none waits', async () => {
  await using silent = await startRawOrigin(() => {});
  await using queued = startGroup([serverAt(silent.port)], { connectionsMax: 3, queuedMax: 0 });
  // All at once, before any connection stands.
  const held = [queued.begin({}), queued.begin({}), queued.begin({})];
  assert.equal((await queued.ask()).error, 'no-connection-available');
  await until(() => silent.seen.length === 3, 'the three requests that have connections to arrive');
  for (const one of held) one.cancel();
});

test('a name that no certificate can bear fails its request, and nothing else', async () => {
  const tls = { ...defaultGroupOptions.tls, serverName: 'no name' };
  const server = serverAt(good.port, { scheme: 'https', http2: 'alpn' });
  await using asked = startGroup([server], { tls });
  assert.equal((await asked.ask()).error, 'tls-name-invalid');
  assert.equal((await asked.ask()).error, 'tls-name-invalid');
});
