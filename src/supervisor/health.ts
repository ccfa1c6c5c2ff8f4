/** What `/healthz` and `/readyz` say. Pure. */

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

export function isServing({ status }: Health): boolean {
  return SERVING.includes(status);
}
