// An origin that fails is seen at once, in every place where an operator looks.
import assert from 'node:assert/strict';
import test from 'node:test';
import { runSluice } from '../cli/sluice-process.ts';
import { startOrigin } from '../support/origins.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { freePort, until } from '../support/waiting.ts';

interface Shown {
  readonly state: string;
  readonly trouble: { readonly text: string; readonly seconds: number } | null;
}

async function shown({ adminPort }: RunningSluice): Promise<Shown> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/origins`);
  const { origins } = (await response.json()) as { origins: { servers: Shown[] }[] };
  return origins[0]!.servers[0]!;
}

async function readiness({ adminPort }: RunningSluice) {
  const response = await fetch(`http://127.0.0.1:${adminPort}/readyz`);
  const { why } = (await response.json()) as { why: string[] };
  return { status: response.status, why };
}

async function printed(sluice: RunningSluice, ...words: string[]): Promise<string> {
  const { stdout } = await runSluice([...words, '--admin', `127.0.0.1:${sluice.adminPort}`]);
  return stdout;
}

for (const workers of [1, 2]) {
  test(`an origin that is not there fails, and it is said why (${workers} workers)`, async () => {
    const port = await freePort();
    await using sluice = await startSluice({ origin: `http://127.0.0.1:${port}`, workers });
    // Before any request: somebody is about to start the app.
    await until(
      () => /nothing listens at 127\.0\.0\.1:\d+ yet: start your app/.test(sluice.output),
      'a word',
    );
    assert.equal((await shown(sluice)).state, 'absent');
    const { status, why } = await readiness(sluice);
    assert.equal(status, 503);
    assert.match(why.join(), /^origin default: 127\.0\.0\.1:\d+ is absent$/);
    assert.equal((await fetch(`http://127.0.0.1:${sluice.adminPort}/healthz`)).status, 200);
    assert.equal((await fetch(`${sluice.httpUrl}/shop?secret=1`)).status, 502);
    const line =
      /origin default: 127\.0\.0\.1:\d+ fails: connection refused \(GET 127\.0\.0\.1:\d+\/shop\)/;
    await until(() => line.test(sluice.output), 'a line in the log');
    await until(async () => (await shown(sluice)).state === 'failing', 'the state');
    const { trouble } = await shown(sluice);
    assert.equal(trouble?.text, 'connection refused');
    assert.match(await printed(sluice, 'origins'), /failing .*: connection refused$/m);
    assert.match(
      await printed(sluice, 'status'),
      /^ {2}origin default\/127.* failing for \d+ s: connection refused$/m,
    );

    assert.ok((await sluice.sum('sluice_origin_server_failing')) > 0);
    const told = await printed(sluice, 'status');
    assert.match(told, /^ {2}listens at https 127\.0\.0\.1:\d+$/m);
    assert.match(told, /^ {2}configuration: flags only .* ago$/m);
    assert.match(told, /^ {2}certificate of localhost.*: until \d{4}-\d\d-\d\d, \d+ days left$/m);
    assert.match(
      told,
      /^wrong now:\n {2}origin default: .* is (?:absent|failing): connection refused\n {4}\S/m,
    );

    await using _origin = await startOrigin((_, response) => response.end('here'), port);
    const isOver = async () => {
      assert.equal((await fetch(sluice.httpUrl)).status, 200);
      return (await shown(sluice)).state === 'up';
    };
    await until(isOver, 'the end of it');
    await until(
      () => /127\.0\.0\.1:\d+ is there now, after /.test(sluice.output),
      'that it is there',
    );
    assert.deepEqual(await readiness(sluice), { status: 200, why: [] });
    assert.match(await printed(sluice, 'status'), /^ {2}nothing is wrong$/m);
    assert.equal(await sluice.sum('sluice_origin_server_failing'), 0);
    assert.match(sluice.output, /answers again after .* and 1 failure$/m);
  });
}

test('an origin that answers with errors only fails; one error is the application’s own', async () => {
  let failing = 1;
  await using origin = await startOrigin((_, response) => {
    response.statusCode = failing-- > 0 ? 503 : 200;
    response.end();
  });
  await using sluice = await startSluice({ origin: origin.url });
  assert.equal((await fetch(`${sluice.httpUrl}/a`)).status, 503);
  assert.equal((await fetch(`${sluice.httpUrl}/b`)).status, 200);
  failing = 6;
  for (let i = 0; i < 6; i++) assert.equal((await fetch(`${sluice.httpUrl}/c${i}`)).status, 503);
  await until(() => sluice.output.includes('it answers with 503 (GET'), 'a line in the log');
  assert.doesNotMatch(sluice.output, /\/a\)/);
  await until(async () => (await shown(sluice)).trouble !== null, 'the state');
  assert.equal((await shown(sluice)).trouble?.text, 'it answers with errors');
});

test('a name without an address is said to be one', async () => {
  await using sluice = await startSluice({ origin: 'http://nowhere.invalid' });
  assert.equal((await fetch(sluice.httpUrl)).status >= 500, true);
  await until(async () => (await shown(sluice)).trouble !== null, 'the trouble');
  assert.match(
    (await shown(sluice)).trouble!.text,
    /^(its name has no address|no name server answers)$/,
  );
});

test('status of a sluice that does not run ends with exit code 3, as LSB has it', async () => {
  const port = await freePort();
  const { code, stdout, stderr } = await runSluice(['status', '--admin', `127.0.0.1:${port}`]);
  assert.deepEqual([code, stdout], [3, '']);
  assert.match(stderr, /no admin endpoint at .* \(ECONNREFUSED\); start sluice with --admin/);
});
