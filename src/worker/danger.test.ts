import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { optionsWith } from '../../test/support/options.ts';
import { UsageError } from '../base/errors.ts';
import type { SluiceOptions } from '../config/options.ts';
import { loadDangerModules } from './danger.ts';

const proofs = fileURLToPath(new URL('../../test/proofs/danger.ts', import.meta.url));
const recorder = { enterObserver() {}, leaveObserver() {} };

function observers(paths: readonly string[], features: SluiceOptions['features']) {
  return loadDangerModules(paths).then((modules) =>
    modules.observersOf(optionsWith({ features }), recorder),
  );
}

test('of a module that was loaded nothing runs but what was switched on', async () => {
  assert.deepEqual(await observers([proofs], {}), []);
  assert.deepEqual(await observers([proofs], { 'danger-hang': false }), []);
  const [one, ...more] = await observers([proofs], { 'danger-hang': true });
  assert.deepEqual([one?.name, more.length], ['danger-hang', 0]);
});

test('a feature without its module, and a module that is none, are refused with a remedy', async () => {
  const refused = (promise: Promise<unknown>, message: RegExp, remedy: RegExp) =>
    assert.rejects(promise, (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, message);
      assert.match(error.remedy, remedy);
      return true;
    });
  await refused(observers([], { 'danger-hang': true }), /no module has it/, /--danger-module/);
  await refused(observers([proofs], { 'danger-x': true }), /danger-x/, /write one of danger-/);
  await refused(observers(['/no/such/file.ts'], {}), /cannot be loaded/, /name a module/);
  await refused(
    observers([fileURLToPath(new URL('danger.ts', import.meta.url))], {}),
    /exports no features/,
    /named features/,
  );
});
