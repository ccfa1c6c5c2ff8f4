/** Plugins in a running sluice: from files to what clients, logs and metrics show of them. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { curl } from '../support/curl.ts';
import { deathsIn } from '../support/incidents.ts';
import { type Origin, startOrigin } from '../support/origins.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const directory = temporaryDirectory();
let origin: Origin;
let sluice: RunningSluice;

const auth = `import { definePlugin, deny, Type } from 'sluice/plugin'
import { createHmac, timingSafeEqual } from 'node:crypto'
import { fieldsOf } from './session.ts'

export default definePlugin({
  name: 'auth',
  options: Type.Object({ secret: Type.String(), header: Type.String({ default: 'X-User' }) }),
  setup: ({ secret, header }) => ({
    onRequest(request) {
      const [user, mac] = fieldsOf(request.cookie('session'))
      const given = Buffer.from(mac, 'base64url')
      const right = createHmac('sha256', secret).update(user).digest()
      if (given.length !== right.length || !timingSafeEqual(given, right)) return deny(401)
      request.headers.set(header, user)
    },
  }),
})
`;
const session = `export const fieldsOf = (text: string | undefined): [string, string] => {
  const [user = '', mac = ''] = (text ?? '').split('.')
  return [user, mac]
}
`;
const marked = (word: string) => `import { definePlugin } from 'sluice/plugin';
export default definePlugin({ name: 'mark', setup: () => ({
  onResponse(response) { response.headers.set('X-Mark', '${word}'); },
}) });
`;
const stray = `import { definePlugin } from 'sluice/plugin';
export default definePlugin({ name: 'stray', setup: () => ({
  onRequest() { Promise.reject(new Error('nobody waits for this')); },
  async onFinish() { throw new Error('too late to matter'); },
  onHandshake() { throw new Error('not today'); },
}) });
`;

const fatal = `import { definePlugin } from 'sluice/plugin';
import { connect } from 'node:net';
export default definePlugin({ name: 'fatal', onFault: 'skip', setup: () => ({
  onRequest(request) {
    const socket = connect(Number(request.url.searchParams.get('port')), '127.0.0.1');
    socket.on('connect', () => { throw new RangeError('nobody catches this'); });
  },
}) });
`;

function write(files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
}

before(async () => {
  origin = await startOrigin((request, response) => {
    response.setHeader('Cache-Control', 'max-age=60');
    response.end(request.headers['x-user'] ?? 'nobody');
  });
  write({
    'auth.ts': auth,
    'session.ts': session,
    'mark.ts': marked('first'),
    'stray.ts': stray,
  });
  const file = join(directory, 'sluice.yaml');
  const configuration = {
    origins: { app: { servers: [origin.url] } },
    routes: [
      {
        name: 'private',
        match: { 'path-prefix': '/private' },
        origin: 'app',
        cache: { enabled: 'off' },
      },
      { name: 'rest', origin: 'app' },
    ],
    plugins: [
      { use: './auth.ts', name: 'staff', match: { routes: ['private'] }, options: { secret: 's' } },
      { use: './mark.ts', match: { paths: ['/marked'] } },
      { use: './stray.ts', match: { paths: ['/stray'] }, 'on-fault': 'skip' },
    ],
  };
  writeFileSync(file, JSON.stringify(configuration));
  sluice = await startSluice({ flags: ['--config', file] });
});

after(async () => {
  await sluice?.[Symbol.asyncDispose]();
  await origin?.[Symbol.asyncDispose]();
});

const ask = (path: string, ...flags: string[]) => curl(`${sluice.httpUrl}${path}`, ...flags);

test('a plugin of two TypeScript files lets in whoever it knows, on its route alone', async () => {
  assert.equal((await ask('/private')).status, 401);
  assert.equal((await ask('/%70rivate/x', '--path-as-is')).status, 401);
  const { createHmac } = await import('node:crypto');
  const mac = createHmac('sha256', 's').update('bob').digest('base64url');
  const known = await ask('/private', '--cookie', `session=bob.${mac}`);
  assert.deepEqual([known.status, known.content], [200, 'bob']);
  assert.equal((await ask('/open')).status, 200);
});

test('what a plugin leaves to itself is told with its name, and nobody else notices', async () => {
  const before = await sluice.workerPids();
  assert.equal((await ask('/stray')).status, 200);
  await until(
    () =>
      ['background', 'onFinish'].every((hook) => sluice.output.includes(`plugin stray: ${hook}`)),
    () => `faults of stray in the log: ${sluice.output}`,
  );
  const labels = { plugin: 'stray', hook: 'background', fault: 'threw' };
  assert.equal(await sluice.sum('sluice_plugin_faults_total', labels), 1);
  assert.equal((await curl(`${sluice.httpsUrl}/open`)).status, 200);
  const handshakes = { plugin: 'stray', hook: 'onHandshake', fault: 'threw' };
  assert.ok((await sluice.sum('sluice_plugin_faults_total', handshakes)) >= 1);
  assert.deepEqual(await sluice.workerPids(), before);
});

test('SIGHUP takes a changed file, and refuses one that is broken while the other serves on', async () => {
  assert.equal((await ask('/marked')).fields.get('x-mark'), 'first');
  write({ 'mark.ts': marked('second') });
  sluice.signal('SIGHUP');
  await until(
    async () => (await ask('/marked')).fields.get('x-mark') === 'second',
    'the changed plugin',
  );
  write({ 'mark.ts': 'export default process.exit(1);' });
  sluice.signal('SIGHUP');
  await until(
    () => sluice.output.includes('plugins[1].use: it ends the process'),
    () => `the refusal: ${sluice.output}`,
  );
  assert.equal((await ask('/marked')).fields.get('x-mark'), 'second');
});

test('an exception of a plugin that ends the worker is told with its name in the incident', async () => {
  write({ 'fatal.ts': fatal });
  const file = join(directory, 'fatal.yaml');
  const origins = { app: { servers: [origin.url] } };
  writeFileSync(file, JSON.stringify({ origins, plugins: [{ use: './fatal.ts' }] }));
  const incidents = join(temporaryDirectory(), 'incidents');
  const flags = ['--config', file, '--incident-dir', incidents];
  await using edge = await startSluice({ workers: 2, flags });
  // It may be answered before its worker dies, or not.
  await fetch(`${edge.httpUrl}/?port=${new URL(origin.url).port}`).catch(() => null);
  const [death] = await until(() => {
    const found = edge.output.includes('sluice: incident: ') ? deathsIn(incidents) : [];
    return found.length > 0 && found;
  }, 'an incident');
  assert.equal(death!.suspect?.observer, 'plugin-fatal:background');
  assert.match(death!.signature, /RangeError.*plugin-fatal/);
  assert.ok(edge.isRunning);
});
