import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import { defaultGroupOptions } from '../../src/upstream/options.ts';
import { startDnsServer } from '../support/dns-server.ts';
import { GroupUnderTest, serverAt, startGroup } from '../support/origin-group.ts';
import { until } from '../support/waiting.ts';

/** Servers on several addresses of loopback, on one port, that say which address they have. */
async function onePortOn(...addresses: string[]) {
  const servers: Server[] = [];
  const open = new Map<string, number>();
  let port = 0;
  for (const address of addresses) {
    const server = createServer((_request, response) => response.end(`${address} `));
    server.keepAliveTimeout = 60_000;
    server.on('connection', (socket) => {
      open.set(address, (open.get(address) ?? 0) + 1);
      socket.on('close', () => open.set(address, open.get(address)! - 1));
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(port, address, resolve);
    await promise;
    port = (server.address() as AddressInfo).port;
    servers.push(server);
  }
  return {
    port,
    open,
    [Symbol.dispose]() {
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
    },
  };
}

const NAME = 'app.internal.test';
const noIpv6 = existsSync('/proc/net/if_inet6') ? false : 'this machine has no IPv6';
const resolveOptions = { ttlMinMs: 50, ttlMaxMs: 200 };
const addressesOf = (asked: ReturnType<typeof startGroup>) =>
  asked.group.endpoints.map(({ address }) => address).sort();

test('all addresses of a name are asked in turn, of both families', { skip: noIpv6 }, async () => {
  await using dns = await startDnsServer();
  using servers = await onePortOn('127.0.0.1', '127.0.0.2', '::1');
  dns.zones.set(NAME, { addresses: ['127.0.0.1', '127.0.0.2', '::1'], ttlSeconds: 60 });
  await using asked = startGroup([serverAt(servers.port, { host: NAME })], {
    resolve: { ...resolveOptions, servers: [dns.address] },
  });
  const order = await asked.sequence(6);
  for (const address of ['127.0.0.1 ', '127.0.0.2 ', '::1 ']) {
    assert.equal(order.split(address).length - 1, 2, order);
  }
});

test('when the TTL is over the name is asked again, and the servers are followed', async () => {
  await using dns = await startDnsServer();
  using servers = await onePortOn('127.0.0.1', '127.0.0.2');
  dns.zones.set(NAME, { addresses: ['127.0.0.1'], ttlSeconds: 0 });
  await using asked = startGroup([serverAt(servers.port, { host: NAME })], {
    resolve: { ...resolveOptions, servers: [dns.address] },
  });
  assert.equal(await asked.sequence(2), '127.0.0.1 127.0.0.1 ');
  dns.zones.set(NAME, { addresses: ['127.0.0.2'], ttlSeconds: 0 });
  await until(() => addressesOf(asked).join() === '127.0.0.2', 'the new address');
  assert.equal(await asked.sequence(2), '127.0.0.2 127.0.0.2 ');
  await until(() => servers.open.get('127.0.0.1') === 0, 'old connections to be closed');
});

test('ttl-min and ttl-max bound how often that is', async () => {
  await using dns = await startDnsServer();
  dns.zones.set('long.test', { addresses: ['127.0.0.1'], ttlSeconds: 3600 });
  dns.zones.set('short.test', { addresses: ['127.0.0.1'], ttlSeconds: 0 });
  const servers = [serverAt(1, { host: 'long.test' }), serverAt(1, { host: 'short.test' })];
  const count = (name: string) => dns.questions.filter((one) => one === name).length;
  {
    await using _asked = startGroup(servers, {
      resolve: { ttlMinMs: 10_000, ttlMaxMs: 20, servers: [dns.address] },
    });
    await until(() => count('long.test') >= 6, 'the long one to be asked thrice for both families');
  }
  dns.questions.length = 0;
  await using _bounded = startGroup(servers, {
    resolve: { ttlMinMs: 60_000, ttlMaxMs: 60_000, servers: [dns.address] },
  });
  await until(() => dns.questions.length === 4, 'one answer for each');
  await until(() => addressesOf(_bounded).length === 2, 'both names to be known');
  assert.equal(count('short.test'), 2, 'not again at once');
});

test('a name server that fails changes nothing', async () => {
  await using dns = await startDnsServer();
  using servers = await onePortOn('127.0.0.1');
  dns.zones.set(NAME, { addresses: ['127.0.0.1'], ttlSeconds: 0 });
  await using asked = startGroup([serverAt(servers.port, { host: NAME })], {
    resolve: { ttlMinMs: 20, ttlMaxMs: 20, servers: [dns.address] },
  });
  assert.equal(await asked.sequence(1), '127.0.0.1 ');
  dns.isFailing = true;
  dns.questions.length = 0;
  await until(() => dns.questions.length >= 2, 'the name to be asked again');
  assert.equal(await asked.sequence(2), '127.0.0.1 127.0.0.1 ');
  dns.zones.delete(NAME);
  dns.isFailing = false;
  dns.questions.length = 0;
  await until(() => dns.questions.length >= 2, 'the name to be asked again');
  assert.equal(await asked.sequence(1), '127.0.0.1 ', 'not even when the name is gone');
});

test('a name that does not exist: dns-error; when it appears the next request finds it', async () => {
  await using dns = await startDnsServer();
  using servers = await onePortOn('127.0.0.1');
  await using asked = startGroup([serverAt(servers.port, { host: NAME })], {
    resolve: { ...resolveOptions, servers: [dns.address] },
  });
  assert.equal((await asked.ask()).error, 'dns-error');
  dns.zones.set(NAME, { addresses: ['127.0.0.1'], ttlSeconds: 60 });
  await until(async () => (await asked.ask()).content === '127.0.0.1 ', 'the name to be found');
});

test('an IPv6 address alone is enough', { skip: noIpv6 }, async () => {
  await using dns = await startDnsServer();
  using servers = await onePortOn('::1');
  dns.zones.set(NAME, { addresses: ['::1'], ttlSeconds: 60 });
  await using asked = startGroup([serverAt(servers.port, { host: NAME })], {
    resolve: { ...resolveOptions, servers: [dns.address] },
  });
  assert.equal(await asked.sequence(1), '::1 ');
});

test('names of /etc/hosts need no name server', async () => {
  await using dns = await startDnsServer();
  using servers = await onePortOn('127.0.0.1');
  await using asked = startGroup([serverAt(servers.port, { host: 'localhost' })], {
    resolve: { ...defaultGroupOptions.resolve, servers: [dns.address] },
  });
  // Where localhost is ::1 as well, that address is tried, fails, and costs no request.
  assert.equal(await asked.sequence(3), '127.0.0.1 127.0.0.1 127.0.0.1 ');
  assert.deepEqual(dns.questions, []);
});

test('after a reload the addresses are known at once, even when no name server answers', async () => {
  await using dns = await startDnsServer();
  using servers = await onePortOn('127.0.0.1');
  dns.zones.set(NAME, { addresses: ['127.0.0.1'], ttlSeconds: 60 });
  const options = {
    ...defaultGroupOptions,
    name: 'app',
    servers: [serverAt(servers.port, { host: NAME })],
    resolve: { ...resolveOptions, servers: [dns.address] },
  };
  const names = new Map<string, readonly string[]>();
  {
    await using before = new GroupUnderTest(options, undefined, 0, names);
    assert.equal(await before.sequence(1), '127.0.0.1 ');
  }
  dns.isFailing = true;
  await using after = new GroupUnderTest(options, undefined, 0, names);
  assert.equal(await after.sequence(1), '127.0.0.1 ');
});
