/** Incidents of real deaths, as a sluice in production leaves them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Incident, isWithoutDeath } from '../../src/triage/incident.ts';
import { decodeIncident } from '../../src/triage/incident-file.ts';
import { incidentFileName } from '../../src/triage/incident-name.ts';
import { dangerFlags, RETRIED_GROUPS, shakeHands } from './danger.ts';
import { startOrigin } from './origins.ts';
import { startSluice } from './sluice.ts';
import { until } from './waiting.ts';

export interface CrashSettings {
  /** Harmful observers that are on. */
  readonly features: readonly string[];
  readonly flags?: readonly string[];
  readonly serverName?: string;
  /** What the client does, when it is not a HelloRetryRequest. */
  provoke?(httpsPort: number): Promise<unknown>;
}

/** Oldest first. */
export function incidentsIn(directory: string): Incident[] {
  return readdirSync(directory)
    .filter((name) => incidentFileName.test(name))
    .sort()
    .map((name) => decodeIncident(readFileSync(join(directory, name))));
}

/** Those that a worker has died of, oldest first. */
export function deathsIn(directory: string): Incident[] {
  return incidentsIn(directory).filter(({ kind }) => !isWithoutDeath(kind));
}

/** Has a worker die of a HelloRetryRequest, and reads what was recorded of it. */
export async function crashOf({
  directory,
  features,
  flags = [],
  serverName = 'localhost',
  provoke = (port) => shakeHands(port, { groups: RETRIED_GROUPS, servername: serverName }),
}: CrashSettings & { readonly directory: string }): Promise<Incident> {
  await using origin = await startOrigin((_request, response) => response.end('ok'));
  const all = [...dangerFlags(...features), '--incident-dir', directory, '--debugger', 'off'];
  // Of the first test of a run, on a busy machine, a worker stands still for a second by itself.
  const isHang = features.some((name) => name.includes('hang'));
  all.push('--watchdog', isHang ? '2s' : '30s', ...flags);
  await using sluice = await startSluice({ origin: origin.url, workers: 2, flags: all });
  await provoke(sluice.httpsPort);
  return await until(() => {
    return deathsIn(directory)[0] ?? false;
  }, 'an incident');
}
