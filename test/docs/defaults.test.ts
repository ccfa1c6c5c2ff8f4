import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { defaultCachePolicy } from '../../src/cache/rules/policy.ts';
import { optionTable } from '../../src/config/option-table.ts';
import { defaultDownstreamLimits } from '../../src/downstream/limits.ts';
import { defaultRestartPolicy } from '../../src/supervisor/workers/restart-policy.ts';
import { EARLY_DATA_BYTES_DEFAULT } from '../../src/tls/host-options.ts';
import {
  TICKET_LIFETIME_SECONDS_DEFAULT,
  TICKETS_PER_HANDSHAKE_DEFAULT,
} from '../../src/tls/ticket-ring.ts';
import { defaultUpstreamLimits } from '../../src/upstream/limits.ts';
import { tableRows } from './pages.ts';

const page = readFileSync(new URL('../../docs/explanation/defaults.md', import.meta.url), 'utf8');
const rows = tableRows(page);

test('every flag is on the page of defaults, with its default and a reason', () => {
  const flags = rows.filter((row) => row.heading === 'Flags');
  const listed = flags.flatMap(({ cells }) =>
    [...cells[0]!.matchAll(/`--([\w-]+)`/g)].map(([, name]) => ({ name, shown: cells[1] })),
  );
  assert.deepEqual(
    listed,
    optionTable.map(({ name, defaultText }) => ({ name, shown: defaultText })),
  );
  for (const { cells } of rows) assert.ok(cells[2]!.length > 8, `${cells[0]} has a reason`);
});

test('numbers on the page of defaults are those of the program', () => {
  const shown = (what: string) => rows.find(({ cells }) => cells[0] === what)!.cells.join(' | ');
  assert.equal(defaultUpstreamLimits.idleTimeoutMs, 4_000);
  assert.match(shown('unused connections to the origin'), /closed after 4 s/);
  assert.equal(defaultDownstreamLimits.idleTimeoutMs, 65_000);
  assert.match(shown('unused connections of clients'), /closed after 65 s/);
  assert.equal(EARLY_DATA_BYTES_DEFAULT, 16 * 1024);
  assert.match(shown('early data'), /16 KiB/);
  assert.deepEqual([TICKETS_PER_HANDSHAKE_DEFAULT, TICKET_LIFETIME_SECONDS_DEFAULT], [2, 86_400]);
  assert.match(shown('tickets'), /two per handshake.*a day/);
  assert.equal(defaultCachePolicy.setCookie, 'explicit');
  assert.deepEqual(
    [defaultCachePolicy.heuristicFraction, defaultCachePolicy.heuristicLifetimeMaxMs],
    [0.1, 86_400_000],
  );
  assert.deepEqual(
    [defaultCachePolicy.staleIfErrorMs, defaultCachePolicy.negativeLifetimeMs],
    [0, 0],
  );
  assert.equal(defaultCachePolicy.honourRequestDirectives, true);
  const { firstDelayMs, delayMsMax } = defaultRestartPolicy;
  assert.match(
    shown('a worker that dies'),
    new RegExp(`${firstDelayMs} ms.*${delayMsMax / 1000} s`),
  );
});
