/** The units that we ship, under a real systemd, from boot to stop. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { ended } from '../support/programs.ts';
import { SystemdMachine, unlessSystemdBoots } from '../support/systemd-machine.ts';
import { until } from '../support/waiting.ts';

const examples = fileURLToPath(new URL('../../docs/examples/', import.meta.url));
const example = (name: string) => readFileSync(`${examples}${name}`, 'utf8');
const client = fileURLToPath(new URL('../support/asking-client.ts', import.meta.url));

const NODE = '/opt/sluice/node_modules/.bin/node';
const USER_ID = 990;
const WATCHDOG_MS = 3_000;
const SETTINGS = '/etc/sluice/sluice.yaml';

const settingsWith = (answer: string) => `
listeners:
  - {address: 0.0.0.0:80, protocol: http}
  - {address: 0.0.0.0:443, protocol: https}
admin: unix:/run/sluice/admin.sock
workers: 2
origins:
  app: {servers: [http://127.0.0.1:3000]}
drain-timeout: 2s
routes:
  - match: {path-prefix: /version}
    respond: {status: 200, body: ${answer}}
  - origin: app
`;

const app = `
[Unit]
Description=what sluice stands in front of
[Service]
ExecStart=${NODE} -e 'http.createServer((_, answer) => answer.end("ok")).listen(3000, "127.0.0.1")'
`;

/** As the how-to page says to do it. */
function bootWithSluice(): Promise<SystemdMachine> {
  return SystemdMachine.boot({
    passwd: `root:x:0:0::/root:/bin/sh\nsluice:x:${USER_ID}:${USER_ID}::/var/lib/sluice:/bin/false\n`,
    group: `root:x:0:\ntty:x:5:\nsluice:x:${USER_ID}:\n`,
    'systemd/system/sluice.socket': example('sluice.socket'),
    'systemd/system/sluice.service': example('sluice.service').replaceAll('/usr/bin/node', NODE),
    'systemd/system/sluice.service.d/test.conf': `[Service]\nWatchdogSec=${WATCHDOG_MS}ms\n`,
    'systemd/system/app.service': app,
    'sluice/sluice.yaml': settingsWith('one'),
  });
}

class Asking {
  readonly #child: ReturnType<SystemdMachine['startInNetwork']>;
  #said = '';
  constructor(machine: SystemdMachine) {
    this.#child = machine.startInNetwork(process.execPath, client, 'http://127.0.0.1/version');
    this.#child.stdout!.on('data', (bytes) => {
      this.#said += bytes;
    });
  }
  /** How often each outcome was seen. */
  async end(): Promise<Record<string, number>> {
    await until(() => this.#said.startsWith('asking\n'), 'the client to start');
    this.#child.kill('SIGTERM');
    await ended(this.#child);
    return JSON.parse(this.#said.split('\n')[1]!);
  }
}

test('under systemd: from boot to stop', { skip: unlessSystemdBoots() }, async (t) => {
  await using machine = await bootWithSluice();
  const mainPid = async () => {
    const pid = await machine.property('sluice.service', 'MainPID');
    assert.notEqual(pid, '0', `it does not run: ${await journal()}`);
    return pid;
  };
  /** Between two processes there is none for a while. */
  const anotherThan = (before: string) =>
    until(async () => {
      const pid = await machine.property('sluice.service', 'MainPID');
      return pid !== before && pid !== '0' && pid;
    }, 'another main process');
  const get = async (path: string) =>
    (await machine.run('curl', '-s', `http://127.0.0.1${path}`)).text;
  const journal = async () => (await machine.run('journalctl', '--no-pager')).text;
  await machine.run('chgrp', '-R', 'sluice', '/etc/sluice');
  await machine.run('chmod', '-R', 'u=rwX,g=rX,o=', '/etc/sluice');

  await t.test('it is started when it serves, and says so', async () => {
    const { code, stderr } = await machine.systemctl(
      ...['start', 'app.service', 'sluice.socket', 'sluice.service'],
    );
    assert.equal(code, 0, `${stderr}${await journal()}`);
    assert.equal(await get('/version'), 'one');
    await until(async () => (await get('/')) === 'ok', 'the app behind it');
    const status = await machine.property('sluice.service', 'StatusText');
    assert.equal(status, 'serves with 2 workers');
  });

  await t.test('it has no right that it does not need', async () => {
    const text = (await machine.run('cat', `/proc/${await mainPid()}/status`)).text;
    const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(text)?.[1];
    assert.equal(field('Uid'), Array(4).fill(USER_ID).join('\t'));
    assert.equal(field('CapEff'), '0000000000000000');
    assert.equal(field('NoNewPrivs'), '1');
    assert.equal(field('Seccomp'), '2');
  });

  await t.test('its directories are made, and its state is in them', async () => {
    const { text } = await machine.run('find', '/var/lib/sluice', '-user', 'sluice', '-type', 'f');
    assert.match(text, /\.pem$/m);
    assert.match((await machine.run('ls', '-ld', '/run/sluice/admin.sock')).text, /^s/);
  });

  await t.test('a reload takes effect, and a bad one fails and changes nothing', async () => {
    await machine.write(SETTINGS, settingsWith('two'));
    assert.equal((await machine.systemctl('reload', 'sluice')).code, 0, await journal());
    assert.equal(await get('/version'), 'two');
    await machine.write(SETTINGS, `${settingsWith('three')}no-such-key: 1\n`);
    assert.notEqual((await machine.systemctl('reload', 'sluice')).code, 0);
    assert.equal(await get('/version'), 'two');
    assert.equal((await machine.systemctl('is-active', 'sluice')).code, 0);
    assert.match(await journal(), /sluice\.yaml:\d+:\d+.*no-such-key/);
    await machine.write(SETTINGS, settingsWith('two'));
  });

  await t.test('a restart refuses no connection', async () => {
    const asking = new Asking(machine);
    const before = await mainPid();
    assert.equal((await machine.systemctl('restart', 'sluice')).code, 0, await journal());
    assert.notEqual(await mainPid(), before);
    assert.deepEqual(Object.keys(await asking.end()), ['200']);
  });

  await t.test('an upgrade goes on as the same service, and is watched', async () => {
    const asking = new Asking(machine);
    const before = await mainPid();
    await machine.run('kill', '-USR2', before);
    const after = await anotherThan(before);
    await until(
      async () => (await machine.run('test', '-d', `/proc/${before}`)).code !== 0,
      'the end of the one before',
    );
    assert.deepEqual(Object.keys(await asking.end()), ['200']);
    assert.equal((await machine.systemctl('is-active', 'sluice')).code, 0);
    // Systemd ends it when it does not hear of it.
    await machine.run('sleep', String((2 * WATCHDOG_MS) / 1e3));
    assert.equal(await mainPid(), after, await journal());
    assert.equal(await machine.property('sluice.service', 'NRestarts'), '0');
  });

  await t.test('a supervisor that stands still is started again', async () => {
    const before = await mainPid();
    await machine.run('kill', '-STOP', before);
    await anotherThan(before);
    await until(async () => (await get('/version')) === 'two', 'an answer');
    assert.match(await journal(), /sluice\.service: Watchdog timeout/);
  });

  await t.test('a supervisor that is killed is started again', async () => {
    const before = await mainPid();
    await machine.run('kill', '-KILL', before);
    await anotherThan(before);
    await until(async () => (await get('/version')) === 'two', 'an answer');
  });

  await t.test('stop ends all its processes, and is no failure', async () => {
    assert.equal((await machine.systemctl('stop', 'sluice.socket', 'sluice.service')).code, 0);
    assert.equal(await machine.property('sluice.service', 'Result'), 'success');
    assert.equal((await machine.run('pgrep', '-u', 'sluice')).text, '');
    assert.notEqual((await machine.run('curl', '-s', 'http://127.0.0.1/')).code, 0);
  });
});
