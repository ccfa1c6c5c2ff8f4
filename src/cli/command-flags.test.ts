import assert from 'node:assert/strict';
import test from 'node:test';
import { commandArguments, flagText } from './command-flags.ts';
import { commands } from './commands.ts';

test('every flag of every command says what it means, and what its value is', async () => {
  let found = 0;
  for (const { name, flags, actions } of await commandArguments(commands)) {
    for (const of of [flags, ...Object.values(actions)]) {
      for (const [flag, hasValue] of Object.entries(of)) {
        const text = flagText(flag);
        assert.ok(text !== undefined && text.summary !== '', `${name} --${flag}`);
        assert.equal(text.placeholder !== '', hasValue, `the value of ${name} --${flag}`);
        found++;
      }
    }
  }
  assert.ok(found > 80, `${found} flags`);
});
