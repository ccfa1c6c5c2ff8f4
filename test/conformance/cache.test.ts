import assert from 'node:assert/strict';
import test from 'node:test';
import { startSluice } from '../support/sluice.ts';
import { ignoredCases } from './cache-ignored.ts';
import { type EditionName, obtainCacheTests } from './cache-tests-package.ts';
import { type CaseResult, runCacheTests, startCacheTestsOrigin } from './cache-tests-run.ts';

/** What we hold ourselves to. */
const goals: Record<EditionName, { readonly required: number; readonly optimal: number }> = {
  published: { required: 141, optimal: 80 },
  current: { required: 159, optimal: 99 },
};

for (const name of ['published', 'current'] as const) {
  const obtained = await obtainCacheTests(name);
  const skip = 'missing' in obtained ? obtained.missing : false;
  test(`http-cache-tests, ${name} edition`, { skip }, async (t) => {
    if ('missing' in obtained) return;
    const edition = { name, ...obtained };
    await using origin = await startCacheTestsOrigin(edition);
    await using sluice = await startSluice({ origin: origin.url, workers: 1 });
    const ignored = ignoredCases[name];
    const results = await runCacheTests(edition, sluice.httpUrl, Object.keys(ignored));
    for (const kind of ['required', 'optimal', 'check'] as const) {
      const all = results.filter((one) => one.kind === kind);
      t.diagnostic(`${kind}: ${passed(all)} of ${all.length} pass`);
    }
    for (const [id, reason] of Object.entries(ignored)) t.diagnostic(`ignored: ${id}: ${reason}`);

    const failed = results.filter(({ kind, failure }) => kind !== 'check' && failure !== '');
    const unexpected = failed.filter(({ id }) => ignored[id] === undefined);
    const lines = unexpected.map(
      ({ id, kind, suite, failure }) => `${kind} ${id} (${suite}): ${failure}`,
    );
    assert.equal(lines.length, 0, `not on the list of ignored cases:\n${lines.join('\n')}`);
    const stale = Object.keys(ignored).filter((id) => !failed.some((one) => one.id === id));
    assert.deepEqual(stale, [], 'these pass, or do not exist: take them from the list');
    for (const kind of ['required', 'optimal'] as const) {
      assert.ok(passed(results.filter((one) => one.kind === kind)) >= goals[name][kind]);
    }
  });
}

function passed(results: readonly CaseResult[]): number {
  return results.filter(({ failure }) => failure === '').length;
}
