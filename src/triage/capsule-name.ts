/** Names of capsules' files: they begin with the time, so that the order of names is that of time. */
import type { Capsule } from './capsule.ts';

/** What is a capsule in a directory, and what may be dropped from it. */
export const capsuleFileName = /^\d{8}T\d{9}Z-[a-z0-9-]+\.json(?:\.gz)?$/;

/** `20261123T020000000Z-crash-4711.json.gz`. */
export function nameOfCapsule(capsule: Capsule, compress: boolean): string {
  const time = capsule.writtenAt.replace(/[-:.]/g, '');
  return `${time}-${capsule.kind}-${capsule.worker.pid}.json${compress ? '.gz' : ''}`;
}
