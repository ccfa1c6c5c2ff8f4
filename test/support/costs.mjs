/** What test files cost: the dearest begin first, and are shown at the end. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { nameOf } from './groups.mjs';

/** Seconds on two quiet cores, for a checkout in which they did not run yet. Others count as nothing. */
const FIRST_SECONDS = {
  'test/triage/triage.test.ts': 198,
  'test/docs/how-to.test.ts': 76,
  'test/end-to-end/wall-clock.test.ts': 56,
  'test/end-to-end/caching-damaged.test.ts': 36,
  'test/hostile/hostile.test.ts': 34,
  'test/end-to-end/caching-control.test.ts': 33,
  'test/end-to-end/failing-origin.test.ts': 32,
  'test/end-to-end/reload.test.ts': 32,
  'test/end-to-end/systemd.test.ts': 31,
  'test/end-to-end/demo-crash.test.ts': 30,
  'test/end-to-end/slow-uploads.test.ts': 29,
  'test/end-to-end/caching-on-disk.test.ts': 28,
  'test/end-to-end/robustness.test.ts': 27,
  'test/end-to-end/user.test.ts': 27,
  'test/end-to-end/dashboard.test.ts': 24,
  'test/end-to-end/life.test.ts': 24,
  'test/cli/package.test.ts': 23,
  'test/end-to-end/worker-kills.test.ts': 23,
  'test/end-to-end/recorder-options.test.ts': 22,
  'test/tls/faults.test.ts': 22,
  'test/end-to-end/caching-workers.test.ts': 22,
  'test/chaos/origins.test.ts': 21,
  'test/end-to-end/http2-attacks.test.ts': 21,
  'test/end-to-end/crash.test.ts': 20,
  'test/cache/disk-store.test.ts': 20,
  'test/chaos/soak.test.ts': 20,
  'test/supervisor/supervisor.test.ts': 20,
  'test/end-to-end/upgrade.test.ts': 20,
  'test/end-to-end/sections.test.ts': 20,
  'test/end-to-end/stand-ins.test.ts': 19,
  'test/end-to-end/time-and-blame.test.ts': 18,
  'test/hostile/admin.test.ts': 18,
  'test/end-to-end/tickets.test.ts': 18,
  'test/cluster/cluster.test.ts': 17,
  'test/end-to-end/early-data.test.ts': 17,
  'src/supervisor/workers/standby.test.ts': 16,
  'test/chaos/disk.test.ts': 15,
  'test/end-to-end/drain.test.ts': 15,
  'test/chaos/damaged-cache.test.ts': 15,
  'test/end-to-end/logs.test.ts': 15,
  'test/tls/hello-retry-request.test.ts': 15,
  'test/end-to-end/early-data-limits.test.ts': 15,
  'test/tls/early-data.test.ts': 15,
  'test/end-to-end/operator-commands.test.ts': 15,
  'test/end-to-end/features.test.ts': 15,
  'test/end-to-end/error-log.test.ts': 14,
  'test/end-to-end/slow-readers.test.ts': 14,
  'test/fuzz/client-hello.test.ts': 14,
  'test/cli/errors.test.ts': 14,
  'test/end-to-end/reload-certificates.test.ts': 14,
  'test/hostile/configuration.test.ts': 14,
  'test/cache/disk-model.test.ts': 14,
  'test/end-to-end/caching-slices.test.ts': 13,
  'test/chaos/redis.test.ts': 13,
  'test/end-to-end/handshakes.test.ts': 13,
  'test/end-to-end/acme.test.ts': 13,
  'test/chaos/changes.test.ts': 12,
  'test/end-to-end/reload-trial.test.ts': 12,
  'test/end-to-end/caching.test.ts': 12,
};

export class Costs {
  #told;
  #keptIn;
  #kept;

  /** `directory`: where this run's test processes tell; `keptIn`: a file for the next run. */
  constructor(directory, keptIn) {
    this.#told = join(directory, 'costs');
    this.#keptIn = keptIn;
    this.#kept = { ...FIRST_SECONDS, ...parsed(textOf(keptIn) || '{}') };
    process.env.SLUICE_TEST_COSTS = this.#told;
  }

  /** How long the file took when it ran last. */
  secondsOf(file) {
    return this.#kept[file] ?? 0;
  }

  /** Dearest first: processor time with that of what they started, and the clock's. Keeps it, too. */
  lines(wallSeconds, shown) {
    const told = textOf(this.#told).split('\n').map(parsed);
    const cpuSeconds = new Map(told.map(({ file = '', seconds }) => [nameOf(file), seconds]));
    const costs = [...wallSeconds]
      .map(([file, wall]) => ({ file, wall, cpu: cpuSeconds.get(file) ?? 0 }))
      .sort((a, b) => Math.max(b.cpu, b.wall) - Math.max(a.cpu, a.wall));
    this.#keep(costs);
    if (costs.length < 2) return [];
    const sum = (of) => costs.reduce((total, one) => total + of(one), 0);
    const all = { cpu: sum((one) => one.cpu), wall: sum((one) => one.wall) };
    return [...costs.slice(0, shown), { ...all, file: `all ${costs.length} files` }].map(
      ({ file, wall, cpu }) =>
        `dear: ${cpu.toFixed(1)} s of processor, ${wall.toFixed(1)} s: ${file}`,
    );
  }

  #keep(costs) {
    for (const { file, wall } of costs) this.#kept[file] = Math.round(wall);
    try {
      mkdirSync(dirname(this.#keptIn), { recursive: true });
      writeFileSync(this.#keptIn, JSON.stringify(this.#kept));
    } catch {
      // The next run begins with what is known without it.
    }
  }
}

function textOf(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** A process that is killed may have told half. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
