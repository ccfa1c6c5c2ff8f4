/** A HOME that names no directory of the user's brings neither code nor keys into the directory of the start. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import test from 'node:test';
import { ended, start } from '../support/programs.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';
import { launcher } from './sluice-process.ts';

for (const HOME of ['', '.', 'home']) {
  test(`with HOME=${JSON.stringify(HOME)} nothing is left where sluice is started`, async () => {
    const cwd = temporaryDirectory();
    const { XDG_CACHE_HOME: _, XDG_STATE_HOME: __, NODE_COMPILE_CACHE: ___, ...rest } = process.env;
    const words = [launcher, '--origin', 'http://127.0.0.1:1', '--https', '0', '--admin', 'off'];
    const child = start(process.execPath, words, { cwd, env: { ...rest, HOME }, stdio: 'pipe' });
    let output = '';
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (bytes: Buffer) => {
        output += bytes.toString();
      });
    }
    await until(
      () => /^ +cert /m.test(output),
      () => `sluice to serve; it printed: ${output}`,
    );
    child.kill('SIGTERM');
    assert.equal(await ended(child), 0, output);
    assert.deepEqual(readdirSync(cwd), []);
  });
}
