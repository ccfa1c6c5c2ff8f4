/** Names of incidents' files: they begin with the time, so that the order of names is that of time. */
import type { Incident } from './incident.ts';

/** What is an incident in a directory, and what may be dropped from it. */
export const incidentFileName = /^\d{8}T\d{9}Z-[a-z0-9-]+\.json(?:\.gz)?$/;

type Named = Pick<Incident, 'writtenAt' | 'kind'> & {
  readonly worker: Pick<Incident['worker'], 'pid'>;
};

/** What people call it, `20261123T020000000Z-crash-4711`: unique on a machine, and the file's name. */
export function numberOfIncident({ writtenAt, kind, worker }: Named): string {
  return `${writtenAt.replace(/[-:.]/g, '')}-${kind}-${worker.pid}`;
}

/** `20261123T020000000Z-crash-4711.json.gz`. */
export function nameOfIncident(incident: Incident, compress: boolean): string {
  return `${numberOfIncident(incident)}.json${compress ? '.gz' : ''}`;
}
