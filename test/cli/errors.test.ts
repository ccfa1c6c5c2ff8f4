import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import { commands } from '../../src/cli/commands.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { runSluice } from './sluice-process.ts';

const taken = createServer();
await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', () => resolve()));
test.after(() => taken.close());
const socket = join(temporaryDirectory(), 'socket');
const served = createServer();
await new Promise<void>((resolve) => served.listen(socket, () => resolve()));
test.after(() => served.close());
const file = join(temporaryDirectory(), 'sluice.yaml');
writeFileSync(
  file,
  `{origin: 'http://o', listeners: [{address: 'unix:${socket}', protocol: http}]}`,
);
const { port } = taken.address() as AddressInfo;

/** One mistake of each kind through the whole command; the rest are in src/config/config.test.ts. */
const mistakes: readonly [words: string, line: string][] = [
  ['--orign http://o', 'unknown flag --orign; did you mean --origin?'],
  ['--workers --origin http://o', '--workers: no value; write --workers N'],
  ['cache purge --tag --soft', 'cache purge: --tag: no value; write --tag TAG'],
  ['cache lookup', 'cache lookup: no URL; write sluice cache lookup URL'],
  [
    '/nowhere.yaml',
    '--config "/nowhere.yaml": cannot be read (ENOENT); name a YAML or JSON file that this user may read',
  ],
  ['strat', 'unknown command "strat"; see sluice --help'],
  [
    '--http 80',
    '--origin: it is missing; write --origin URL, as in --origin http://127.0.0.1:3000, ' +
      'or try sluice demo',
  ],
  [
    '--origin nonsense',
    '--origin "nonsense": not an http, https or h2c URL; write --origin URL, ' +
      'as in --origin http://127.0.0.1:3000',
  ],
  [
    `--origin http://o --http ${port}`,
    `--http 127.0.0.1:${port}: the port is taken; stop the program that listens there, ` +
      'or choose another with --http [HOST:]PORT',
  ],
  [
    `--origin http://o --http 0 --admin ${port}`,
    `--admin 127.0.0.1:${port}: the port is taken; stop the program that listens there, ` +
      'or choose another with --admin [HOST:]PORT',
  ],
  [
    `demo --http 0 --admin ${port}`,
    `--admin 127.0.0.1:${port}: the port is taken; stop the program that listens there, ` +
      'or choose another with --admin [HOST:]PORT',
  ],
  [
    `--origin http://o --http unix:${socket}`,
    `--http unix:${socket}: another program serves there; stop that program, ` +
      'or choose another path with --http unix:PATH',
  ],
  [
    `--config ${file}`,
    `listeners[0].address unix:${socket}: another program serves there; ` +
      'stop that program, or choose another path with listeners[0].address unix:PATH',
  ],
  [
    '--origin http://o --http 192.0.2.1:0',
    '--http 192.0.2.1:0: not an address of this machine; choose one with --http [HOST:]PORT',
  ],
  [
    'demo --origin http://o',
    '--origin "http://o": the demo has its own origin; leave demo out to serve this one',
  ],
  [
    '--config /nowhere.yaml',
    '--config "/nowhere.yaml": cannot be read (ENOENT); ' +
      'name a YAML or JSON file that this user may read',
  ],
  [
    '--origin http://o --https 0 --cert /nowhere.pem --key /nowhere.key',
    '--cert "/nowhere.pem": no such file; name a PEM file that this user may read',
  ],
];

for (const [words, line] of mistakes) {
  const shown = words.replaceAll(String(port), 'TAKEN');
  test(`one line on standard error and exit code 2: sluice ${shown}`, async () => {
    const { code, stdout, stderr } = await runSluice(words.split(' '));
    assert.equal(stderr, `sluice: ${line}\n`);
    assert.equal(stdout, '');
    assert.equal(code, 2);
  });
}

test('help and version go to standard output and end with 0', async () => {
  const said = new Map<string, string>();
  for (const word of ['--help', '-h', 'help', '--version', '-V', 'version']) {
    const { code, stdout, stderr } = await runSluice([word]);
    assert.deepEqual([code, stderr], [0, '']);
    assert.ok(stdout.length > 0);
    said.set(word, stdout);
  }
  assert.equal(said.get('help'), said.get('--help'));
  assert.equal(said.get('version'), said.get('--version'));
  assert.equal((await runSluice(['help', 'run'])).stdout, said.get('help'));
  const { stdout } = await runSluice(['help', 'reload']);
  assert.match(
    stdout,
    /^ {2}sluice reload .*\n\nFlags:\n {2}--admin \[HOST:\]PORT +the admin endpoint/,
  );
});

test('every command tells its own part of the help', async () => {
  const names = Object.keys(commands);
  const told = await Promise.all(names.map((name) => runSluice([name, '--help'])));
  for (const [i, { code, stdout, stderr }] of told.entries()) {
    assert.deepEqual([code, stderr], [0, ''], names[i]!);
    assert.match(stdout, new RegExp(`^  sluice ${names[i]!} `, 'm'));
  }
  const help = told[names.indexOf('log')]!.stdout;
  assert.match(help, /^Flags of level:\n {2}--admin .*\n {2}--json .*\n {2}--for TIME +go back/m);
});
