import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { LastGood, SOUND_MS } from './last-good.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-good-'));
after(() => rmSync(directory, { recursive: true }));

const options = (workers: number) => ({ workers, keyPem: 'secret' });

test('what workers lived soundly under is known after a restart with something else', () => {
  const file = join(directory, 'good.json');
  const first = new LastGood(file, options(1), 0);
  first.look(SOUND_MS);
  assert.equal(first.changed, null, 'nothing has changed');
  const second = new LastGood(file, options(2), 0);
  assert.deepEqual(second.changed?.options, { workers: 1, keyPem: '(redacted)' });
  second.died(SOUND_MS - 1);
  second.look(SOUND_MS);
  assert.deepEqual(second.changed?.options, { workers: 1, keyPem: '(redacted)' });
  second.look(2 * SOUND_MS);
  assert.equal(second.changed, null, 'it has shown itself to be good');
});

test('a reload is a change, and a configuration that was not tried for long is not good', () => {
  const good = new LastGood(null, options(1), 0);
  good.adopt(options(2), SOUND_MS);
  assert.match(JSON.stringify(good.changed), /"workers":1/);
  good.adopt(options(3), SOUND_MS + 5);
  assert.match(JSON.stringify(good.changed), /"workers":1/);
});

test('a damaged file is as none', () => {
  const file = join(directory, 'damaged.json');
  for (const text of ['', '{', '[]', '{"digest": "x", "options": {}}', 'null']) {
    writeFileSync(file, text);
    assert.equal(new LastGood(file, options(1), 0).changed, null);
  }
});
