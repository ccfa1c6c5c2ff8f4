/** What `/healthz` (sluice is alive) and `/readyz` (it can serve) say. Pure. */

/** What there is to judge by. */
export interface HealthFacts {
  readonly state: 'running' | 'draining';
  readonly workers: readonly { readonly index: number; readonly state: string }[];
  /** Indices of workers whose connections others take. */
  readonly unserved: readonly number[];
  /** Indices of workers that cache in memory, though there is a directory. */
  readonly apart: readonly number[];
}

export interface Health {
  readonly status: 'ok' | 'degraded' | 'draining' | 'down';
  /** What is not as it should be, in words. */
  readonly why: readonly string[];
}

/** Of `status`, those with which requests are answered. */
const SERVING: readonly Health['status'][] = ['ok', 'degraded'];

export function healthOfAll({ state, workers, unserved, apart }: HealthFacts): Health {
  if (state === 'draining') return { status: 'draining', why: ['it ends'] };
  const serving = workers.filter((one) => one.state === 'running' && !unserved.includes(one.index));
  const missing = workers.filter((one) => !serving.includes(one));
  const why = missing.map(({ index, state: said }) =>
    said === 'running'
      ? `worker ${index} does not respond or ends`
      : `worker ${index} does not run`,
  );
  if (serving.length === 0) return { status: 'down', why };
  for (const index of apart) why.push(`worker ${index} cannot use the cache directory`);
  return { status: why.length === 0 ? 'ok' : 'degraded', why };
}

/** A group of origins, as far as it concerns whether requests can be answered. */
export interface OriginHealth {
  readonly name: string;
  readonly servers: readonly {
    readonly name: string;
    /** As `sluice origins` says it. */
    readonly state: string;
    /** Why its requests fail, in words; null while they do not. */
    readonly trouble: string | null;
  }[];
}

/**
 * States in which a server is asked nothing. They end by themselves: by checks, by time or by an
 * operator. A server whose requests fail is not among them: without requests it would fail forever.
 */
const UNASKED = ['unhealthy', 'ejected', 'drain', 'down', 'absent'];

/** Whether requests that the cache does not answer can be answered: `/readyz`. */
export function readinessOf(health: Health, groups: readonly OriginHealth[]): Health {
  if (!isServing(health) || groups.length === 0) return health;
  const why = [...health.why];
  let usable = 0;
  for (const { name: group, servers } of groups) {
    if (servers.some(({ state }) => !UNASKED.includes(state))) usable++;
    for (const { name, state, trouble } of servers) {
      if (state === 'up' && trouble === null) continue;
      why.push(`origin ${group}: ${name} is ${state}${trouble === null ? '' : `: ${trouble}`}`);
    }
  }
  if (usable === 0) return { status: 'down', why };
  return { status: why.length === 0 ? 'ok' : 'degraded', why };
}

export function isServing({ status }: Health): boolean {
  return SERVING.includes(status);
}
