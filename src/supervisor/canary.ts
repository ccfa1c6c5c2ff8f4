/**
 * Whether a worker that tries a new configuration does worse than before, or than the others: pure,
 * on counts taken at two moments.
 */
import type { MetricSnapshot } from '../telemetry/metrics-reader.ts';

/** Counts of one or several workers. They only rise. */
export interface HealthFigures {
  readonly handshakes: number;
  readonly handshakeFailures: number;
  readonly requests: number;
  /** Answered with 500 or above, or not at all. */
  readonly requestFailures: number;
  /** Requests by the time they took, in the buckets of the histogram. */
  readonly durations: readonly number[];
}

/**
 * eventsMin: below it a share says little; a busy site has them in a second. shareWorse: one request
 * in fifty that failed and did not before is an incident. deviationsMin: chance alone does so once in
 * a thousand reloads. bucketsSlower: buckets double, so two are a median four times as long.
 */
const canaryLimits = {
  /** Handshakes or requests of the trying worker before they are judged. */
  eventsMin: 20,
  /** How much larger the failed share may be. */
  shareWorse: 0.02,
  /** By how many standard deviations it must be larger. */
  deviationsMin: 3,
  /** By how many buckets the median may be slower. */
  bucketsSlower: 2,
};

export function healthOf(metrics: readonly MetricSnapshot[]): HealthFigures {
  const seriesOf = (name: string) =>
    metrics.find(({ definition }) => definition.name === name)?.series ?? [];
  const sum = (name: string, isCounted: (labels: readonly string[]) => boolean = () => true) =>
    seriesOf(name)
      .filter(({ labels }) => isCounted(labels))
      .reduce((total, { value }) => total + value, 0);
  const durations = seriesOf('sluice_request_duration_seconds').reduce<number[]>(
    (total, { buckets }) => buckets.map((count, i) => count + (total[i] ?? 0)),
    [],
  );
  return {
    handshakes: sum('sluice_tls_handshakes_total'),
    handshakeFailures: sum('sluice_tls_handshakes_total', (labels) => labels.includes('failed')),
    requests: sum('sluice_requests_total'),
    // Without a status the client was gone: nobody's fault here, as often before as after.
    requestFailures: sum('sluice_requests_total', (labels) => /^5\d\d$/.test(labels[1]!)),
    durations,
  };
}

export function healthBetween(before: HealthFigures, after: HealthFigures): HealthFigures {
  return {
    handshakes: after.handshakes - before.handshakes,
    handshakeFailures: after.handshakeFailures - before.handshakeFailures,
    requests: after.requests - before.requests,
    requestFailures: after.requestFailures - before.requestFailures,
    durations: after.durations.map((count, i) => count - (before.durations[i] ?? 0)),
  };
}

/** Why the trying worker does worse than `usual`, in words; null when it does not, or not yet. */
export function canaryFault(trying: HealthFigures, usual: HealthFigures): string | null {
  return (
    shareFault('handshakes', trying.handshakes, trying.handshakeFailures, {
      events: usual.handshakes,
      failures: usual.handshakeFailures,
    }) ??
    shareFault('requests', trying.requests, trying.requestFailures, {
      events: usual.requests,
      failures: usual.requestFailures,
    }) ??
    slownessFault(trying, usual)
  );
}

function shareFault(
  what: string,
  events: number,
  failures: number,
  usual: { readonly events: number; readonly failures: number },
): string | null {
  const { eventsMin, shareWorse, deviationsMin } = canaryLimits;
  if (events < eventsMin) return null;
  const share = failures / events;
  const usualShare = usual.events === 0 ? 0 : usual.failures / usual.events;
  const worse = share - usualShare;
  // Of a share that was never seen above 0, at least the deviation of one failure.
  const spread = Math.max(usualShare * (1 - usualShare), 1 / Math.max(usual.events, events));
  if (worse <= shareWorse || worse <= deviationsMin * Math.sqrt(spread / events)) return null;
  return `${percent(share)} of ${events} ${what} failed, ${percent(usualShare)} is usual`;
}

function slownessFault(trying: HealthFigures, usual: HealthFigures): string | null {
  const { eventsMin, bucketsSlower } = canaryLimits;
  if (trying.requests < eventsMin || usual.requests < eventsMin) return null;
  const slower = medianBucket(trying.durations) - medianBucket(usual.durations);
  if (slower <= bucketsSlower) return null;
  return `half of its requests take ${2 ** slower} times as long as is usual`;
}

function medianBucket(durations: readonly number[]): number {
  const total = durations.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  for (const [i, count] of durations.entries()) {
    seen += count;
    if (seen * 2 >= total) return i;
  }
  return 0;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
}
