import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import {
  type FatalIncident,
  type RevertibleOptions,
  RollbackDriver,
  SUSPECT_CHANGE_MS,
} from './rollback-driver.ts';

interface Options extends RevertibleOptions {
  readonly drainTimeoutMs: number;
  readonly routes: readonly { readonly access: readonly { readonly deny: string }[] }[];
}

const open: Options = {
  drainTimeoutMs: 8_000,
  routes: [{ access: [] }],
  features: {},
  autoDisable: { enabled: true, deathsMax: 2, windowMs: 60_000, webhook: null },
};

const denied: Options = { ...open, routes: [{ access: [{ deny: 'all' }] }] };
const slower = { ...open, drainTimeoutMs: 9_000 };

const crash: FatalIncident = {
  kind: 'crash',
  signature: 'crash/SIGSEGV/none/',
  suspect: null,
  features: {},
};

function driverOf(options: Options, file: string | null = null) {
  const told = { events: [] as string[], steps: [] as string[], nowMs: 1_000 };
  const driver = new RollbackDriver({
    file,
    options,
    nowMs: () => told.nowMs,
    onChange() {},
    onStep: (action) => told.steps.push(action),
    refusedHellos: () => [],
    onReset() {},
    report: (_, parts) => told.events.push(parts?.event ?? ''),
  });
  /** Enough deaths for every suspect to be tried, with what is effective then looked at. */
  const dieOften = (wanted: Options) => {
    const served = new Set<Options>();
    for (let death = 0; death < 20; death++) {
      told.nowMs += 100;
      driver.died(crash, driver.overrides, '7-crash-1');
      driver.look();
      served.add(driver.effective(wanted));
    }
    return [...served].map(({ routes, drainTimeoutMs }) =>
      JSON.stringify({ routes, drainTimeoutMs }),
    );
  };
  return { driver, told, dieOften };
}

const shown = ({ routes, drainTimeoutMs }: Options) => JSON.stringify({ routes, drainTimeoutMs });

test('whoever crashes workers after a reload that denies them does not get rid of the rule', () => {
  const { driver, told, dieOften } = driverOf(open);
  driver.adopt(denied);
  assert.deepEqual(new Set(dieOften(denied)), new Set([shown(denied)]));
  assert.ok(!told.steps.includes('off'));
  const left = told.events.filter((event) => event === 'rollback-left-to-operator');
  assert.equal(left.length, 1, 'the operator hears of it, once');
});

test('a change without weight for who may do what is undone, for as long as it is fresh', () => {
  const { driver, told, dieOften } = driverOf(open);
  driver.adopt(slower);
  assert.ok(dieOften(slower).includes(shown(open)));
  assert.ok(told.steps.includes('off'));

  const later = driverOf(open);
  later.driver.adopt(slower);
  later.told.nowMs += SUSPECT_CHANGE_MS + 1;
  assert.deepEqual(new Set(later.dieOften(slower)), new Set([shown(slower)]));
});

for (const kind of ['configuration', 'feature']) {
  test(`a kept rollback undoes no configuration after a restart (of kind ${kind})`, () => {
    const file = join(temporaryDirectory(), 'rollbacks.json');
    const rollback = {
      ...{ name: 'configuration', kind, state: 'holding', signature: 'a', reason: 'b' },
      ...{ sinceMs: 0, untilMs: 1e12, trips: 1 },
    };
    const probe = { ...rollback, name: 'probe', kind: 'feature' };
    writeFileSync(file, JSON.stringify({ rollbacks: [rollback, probe], deaths: {} }));
    const { driver, told, dieOften } = driverOf(open, file);
    assert.deepEqual(driver.overrides, ['probe'], 'the others are as they were');
    assert.deepEqual(told.events, ['rollback-forgotten']);
    driver.adopt(denied);
    assert.deepEqual(new Set(dieOften(denied)), new Set([shown(denied)]));
  });
}

test('a feature is switched off by itself when nobody may do more without it, else never', () => {
  for (const [observer, isOff] of [
    ['ja4', true],
    ['danger-observer', true],
    ['a-guard-to-come', false],
  ] as const) {
    const { driver, told } = driverOf(open);
    const suspect = { observer, call: null } as FatalIncident['suspect'];
    for (let death = 0; death < 5; death++) {
      told.nowMs += 100;
      driver.died({ ...crash, suspect }, driver.overrides, '7-crash-1');
    }
    assert.equal(driver.overrides.includes(observer), isOff, observer);
  }
});
