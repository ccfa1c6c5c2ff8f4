/** How each route does. */
import type { RouteSample, TrafficSample } from '../../../telemetry/traffic-sample.ts';
import { at, rowOf } from './elements.ts';
import { short, timeBound } from './words.ts';

/** More rows than anybody reads, and few enough to draw each second. */
const ROWS_MAX = 25;

export function showRoutes(now: TrafficSample, before: TrafficSample | null): void {
  const routes = Object.entries(now.routes).sort(([, a], [, b]) => b.requests - a.requests);
  at('by-route').hidden = routes.length === 0;
  if (before === null || now.atMs <= before.atMs) return;
  const seconds = (now.atMs - before.atMs) / 1000;
  const made = routes
    .slice(0, ROWS_MAX)
    .map(([name, route]) =>
      routeRow({ name, now: route, before: before.routes[name], bounds: now.bounds, seconds }),
    );
  const rest = routes.length - made.length;
  if (rest > 0) made.push(rowOf([`and ${rest} more: /metrics`]));
  at('routes').replaceChildren(...made);
}

interface RouteRow {
  readonly name: string;
  readonly now: RouteSample;
  readonly before: RouteSample | undefined;
  readonly bounds: readonly number[];
  readonly seconds: number;
}

function routeRow({ name, now, before, bounds, seconds }: RouteRow): HTMLTableRowElement {
  const since = (key: 'requests' | 'hits' | 'errors') =>
    Math.max(0, now[key] - (before?.[key] ?? 0));
  const requests = since('requests');
  const durations = now.durations.map((all, i) => Math.max(0, all - (before?.durations[i] ?? 0)));
  const time = (fraction: number) => {
    if (requests === 0) return '–';
    const bound = timeBound(durations, bounds, fraction);
    return `${bound.isBeyond ? '> ' : ''}${short(1000 * bound.seconds)}`;
  };
  const hits = requests === 0 ? '–' : `${short((100 * since('hits')) / requests)} %`;
  const errors = since('errors') / seconds;
  const row = rowOf([name, short(requests / seconds), hits, short(errors), time(0.5), time(0.99)]);
  if (errors > 0) row.cells[3]!.className = 'bad';
  return row;
}
