import assert from 'node:assert/strict';
import test from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { until } from '../support/waiting.ts';
import { runSluice } from './sluice-process.ts';

const origin = await startOrigin((_request, response) => {
  response.setHeader('Cache-Control', 'no-store');
  response.end('ok');
});
const sluice = await startSluice({ origin: origin.url, workers: 2 });
test.after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});
const server = `127.0.0.1:${origin.port}`;
const admin = ['--admin', `127.0.0.1:${sluice.adminPort}`];

async function statusOfRequest(): Promise<number> {
  using connection = await RawConnection.open(sluice.httpPort);
  return (await connection.request('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n')).status;
}

test('sluice origins tells how each server does', async () => {
  assert.equal(await statusOfRequest(), 200);
  await until(async () => {
    const { stdout } = await runSluice(['origins', ...admin]);
    return stdout.includes(`${server}  up `) && /\b1 requests, 0 failures/.test(stdout);
  }, 'the server to be up in all workers');
  const { stdout } = await runSluice(['origins', '--json', ...admin]);
  const { origins } = JSON.parse(stdout);
  assert.equal(origins[0].name, 'default');
  const [{ name, wanted, state, addresses, requests }] = origins[0].servers;
  assert.deepEqual([name, wanted, state, requests], [server, 'up', 'up', 1]);
  assert.equal(addresses.up, 2, 'one address, in each of two workers');
});

test('a server that is taken out answers nothing until it is taken in', async () => {
  const changed = await runSluice(['origins', 'down', `default/${server}`, ...admin]);
  assert.deepEqual([changed.code, changed.stdout], [0, `default/${server}: down\n`]);
  await until(async () => {
    const { stdout } = await runSluice(['origins', ...admin]);
    return stdout.includes(`${server}  down `);
  }, 'all workers to leave it alone');
  assert.equal(await statusOfRequest(), 503);
  await runSluice(['origins', 'up', `default/${server}`, ...admin]);
  await until(async () => (await statusOfRequest()) === 200, 'the server to be asked again');
  assert.match(sluice.output, /admin: POST \/origins\/default\/\S+: 200/, 'it is in the log');
});

test('a group or server that is not there is named, with those that are', async () => {
  const group = await runSluice(['origins', 'up', `app/${server}`, ...admin]);
  assert.deepEqual([group.code, group.stderr.includes('there is default')], [2, true]);
  const other = await runSluice(['origins', 'up', 'default/10.0.0.1:1', ...admin]);
  assert.deepEqual([other.code, other.stderr.includes(`default has ${server}`)], [2, true]);
  const nothing = await runSluice(['origins', 'drain', ...admin]);
  assert.deepEqual([nothing.code, nothing.stderr.includes('which server?')], [2, true]);
});
