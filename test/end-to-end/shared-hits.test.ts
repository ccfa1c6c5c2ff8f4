/** Who shares what is stored does not share what is told with it, within one second either. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

test('a stored response tells each target its own values, and after a reload the new ones', async () => {
  await using origin = await startOrigin((_request, response) => {
    response.setHeader('Cache-Control', 'max-age=600');
    response.end('stored');
  });
  const file = join(temporaryDirectory(), 'sluice.yaml');
  const write = (generation: string) => {
    const set = { 'X-Target': '${path}', 'X-Generation': generation };
    const cache = { key: { 'normalise-percent-encoding': 'on' } };
    const routes = [{ origin: 'app', cache, 'response-headers': { set } }];
    writeFileSync(file, JSON.stringify({ origins: { app: { servers: [origin.url] } }, routes }));
  };
  write('one');
  await using sluice = await startSluice({ flags: ['--config', file] });
  const ask = async (path: string) => {
    using connection = await RawConnection.open(sluice.httpPort);
    const text = `GET ${path} HTTP/1.1\r\nHost: a.example\r\n\r\n`;
    return (await connection.request(text)).fields;
  };
  for (let round = 0; round < 20; round++) {
    const path = round % 2 === 0 ? '/told' : '/t%6fld';
    const fields = await ask(path);
    assert.equal(fields.get('x-target'), path);
    assert.equal(fields.get('x-generation'), 'one');
  }
  write('two');
  const url = `http://127.0.0.1:${sluice.adminPort}/reload`;
  const headers = { 'Content-Type': 'application/json' };
  await fetch(url, { method: 'POST', headers, body: '{"canaryMs": 0}' });
  await until(async () => {
    const { reload } = (await (await fetch(url)).json()) as { reload: { phase: string } };
    await ask('/told');
    return reload.phase === 'over';
  }, 'the reload');
  assert.equal((await ask('/told')).get('x-generation'), 'two');
  assert.equal(origin.seen.length, 1);
});
