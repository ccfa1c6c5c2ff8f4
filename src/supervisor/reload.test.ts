import assert from 'node:assert/strict';
import test from 'node:test';
import { optionsWith } from '../../test/support/options.ts';
import { sleep, until } from '../../test/support/waiting.ts';
import type { SluiceOptions } from '../config/options.ts';
import { Reload, type ReloadableWorker } from './reload.ts';

const before = optionsWith();
const after: SluiceOptions = {
  ...before,
  origins: before.origins.map((origin) => ({ ...origin, slowStartMs: 1 })),
};

const health = {
  handshakes: 0,
  handshakeFailures: 0,
  requests: 0,
  requestFailures: 0,
  durations: [],
};

class FakeWorker implements ReloadableWorker {
  restarts = 0;
  isRunning = true;
  options = before;
  /** Says what goes wrong with the change; undefined when nothing does. */
  onChange: () => Error | undefined = () => undefined;

  async reconfigure(options: SluiceOptions): Promise<void> {
    const fault = this.onChange();
    if (fault !== undefined) throw fault;
    this.options = options;
  }

  health() {
    return health;
  }

  /** Its replacement begins with what was active then. */
  die(): void {
    this.restarts++;
    this.options = before;
  }

  /** It dies when it is told of other options, and its replacement is not there yet. */
  dieWhenTold(): void {
    this.onChange = () => {
      this.restarts++;
      this.isRunning = false;
      return new Error('worker died (SIGKILL)');
    };
  }
}

function reloadOf(workers: readonly FakeWorker[]) {
  const told: string[] = [];
  let current = before;
  const reload = new Reload({
    load: async () => after,
    current: () => current,
    workers: () => workers,
    adopt: (options) => {
      current = options;
    },
    report: () => {},
    began: () => told.push('began'),
    ended: () => told.push('ended'),
  });
  return { reload, told, current: () => current };
}

test('a request during a reload is carried out after it, once for any number of them', async () => {
  const workers = [new FakeWorker()];
  const { reload, told } = reloadOf(workers);
  reload.request(0);
  for (let i = 0; i < 3; i++) reload.request(0);
  await until(() => told.filter((word) => word === 'ended').length === 2, 'two reloads');
  assert.equal(reload.status!.number, 2);
  assert.equal(reload.status!.outcome, 'unchanged', 'the first has applied it');
  await sleep(50);
  assert.deepEqual(told, ['began', 'ended', 'began', 'ended']);
  assert.equal(reload.begin(0) === null, false, 'and the next one is free to begin');
});

test('a worker that dies while the others change gets the new options as well', async () => {
  const workers = [new FakeWorker(), new FakeWorker(), new FakeWorker()];
  workers[2]!.onChange = () => {
    if (workers[1]!.restarts === 0) {
      workers[1]!.die();
    }
    return undefined;
  };
  const { reload, told } = reloadOf(workers);
  const { outcome } = (await reload.begin(0))!;
  assert.equal(outcome, 'done');
  assert.deepEqual(
    workers.map(({ options }) => options),
    [after, after, after],
  );
  assert.deepEqual(told, ['began', 'ended']);
});

for (const away of [0, 1, 2]) {
  test(`a reload does not wait for a worker that has just died (worker ${away})`, async () => {
    const workers = [new FakeWorker(), new FakeWorker(), new FakeWorker()];
    workers[away]!.isRunning = false;
    const { reload, current } = reloadOf(workers);
    const { outcome } = (await reload.begin(0))!;
    assert.equal(outcome, 'done');
    assert.equal(current(), after, 'what its successor starts with');
    const others = workers.filter((_, index) => index !== away);
    assert.ok(others.every(({ options }) => options === after));
  });

  test(`nor is one to blame on it that dies as it is told (worker ${away})`, async () => {
    const workers = [new FakeWorker(), new FakeWorker(), new FakeWorker()];
    workers[away]!.dieWhenTold();
    const { reload, current } = reloadOf(workers);
    assert.equal((await reload.begin(0))!.outcome, 'done');
    assert.equal(current(), after);
  });
}

test('a worker that comes back while the others change gets the new options', async () => {
  const workers = [new FakeWorker(), new FakeWorker()];
  workers[0]!.isRunning = false;
  const { reload } = reloadOf(workers);
  workers[1]!.onChange = () => {
    workers[0]!.isRunning = true;
    return undefined;
  };
  assert.equal((await reload.begin(0))!.outcome, 'done');
  assert.equal(workers[0]!.options, after);
});

test('when no worker serves, a reload waits for one to try it', async () => {
  const workers = [new FakeWorker(), new FakeWorker()];
  for (const worker of workers) worker.isRunning = false;
  const { reload, current } = reloadOf(workers);
  const running = reload.begin(0)!;
  await sleep(20);
  assert.equal(current(), before, 'nobody has tried it');
  workers[1]!.isRunning = true;
  assert.equal((await running).outcome, 'done');
  assert.equal(workers[1]!.options, after);
});

test('options of which one worker after the other dies are not applied', async () => {
  const workers = [new FakeWorker(), new FakeWorker(), new FakeWorker()];
  for (const worker of workers) worker.dieWhenTold();
  const { reload, current } = reloadOf(workers);
  const { outcome, reason } = (await reload.begin(0))!;
  assert.deepEqual([outcome, reason], ['rolled-back', 'the workers that tried it died']);
  assert.equal(current(), before);
  assert.equal(workers[2]!.restarts, 0, 'the third is spared');
});

test('when one cannot change, those that have changed go back', async () => {
  const workers = [new FakeWorker(), new FakeWorker(), new FakeWorker()];
  workers[2]!.onChange = () => new Error('no');
  const { reload, current, told } = reloadOf(workers);
  const { outcome, reason } = (await reload.begin(0))!;
  assert.deepEqual([outcome, reason], ['rolled-back', 'no']);
  assert.deepEqual(
    workers.map(({ options }) => options),
    [before, before, before],
  );
  assert.equal(current(), before);
  assert.deepEqual(told, ['began', 'ended']);
});

test('two at once are one too many', async () => {
  const { reload } = reloadOf([new FakeWorker()]);
  const first = reload.begin(0);
  assert.equal(reload.begin(0), null);
  assert.equal((await first)!.outcome, 'done');
});
