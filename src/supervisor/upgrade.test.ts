import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';

/** Says that it serves after a while, and what signals it gets. */
const SUCCESSOR = `
  const { writeSync } = require('node:fs');
  for (const name of ['SIGHUP', 'SIGUSR1', 'SIGUSR2']) process.on(name, () => console.log(name));
  setTimeout(() => {}, 60_000);
  setTimeout(() => writeSync(Number(process.env.SLUICE_READY_FD), 'ready'), 300);
`;

/**
 * What is printed by a process whose successor is `successor`: a successor is started as what its
 * predecessor was, so this is done in a process of its own.
 */
async function outputOf(successor: string, body: string): Promise<string[]> {
  const path = JSON.stringify(new URL('./upgrade.ts', import.meta.url).pathname);
  const script = `
    import { Succession } from ${path};
    process.argv = [process.argv[0], '-e', ${JSON.stringify(successor)}];
    process.execArgv = [];
    ${body}
  `;
  const words = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script];
  const child = spawn(process.execPath, words, { timeout: 60_000 });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes) => {
      output += bytes;
    });
  }
  await once(child, 'close');
  return output.trim().split('\n');
}

test('what is asked for while another one starts is passed on to it when it serves', async () => {
  const output = await outputOf(
    SUCCESSOR,
    `const one = new Succession({
      sockets: () => [], handOver() {}, report() {}, onFault() {},
      onServing(pid) {
        one.passOn('SIGUSR1');
        setTimeout(() => process.kill(pid, 'SIGKILL'), 1_000);
      },
    });
    one.request();
    one.request();
    one.passOn('SIGHUP');`,
  );
  assert.deepEqual(output.sort(), ['SIGHUP', 'SIGUSR1', 'SIGUSR2']);
});

test('an upgrade that is requested during one that fails is tried once more', async () => {
  const output = await outputOf(
    'process.exit(3)',
    `const one = new Succession({
      sockets: () => [], handOver() {}, report: (line) => console.log(line),
      onServing() {}, onFault() {},
    });
    one.request();
    one.request();
    one.request();`,
  );
  const begun = 'upgrade: starting the sluice that takes over';
  const failed = 'upgrade: the new sluice ended at its start (exit code 3); going on as before';
  assert.deepEqual(output, [begun, failed, begun, failed]);
});
