/** How often the kernel has killed for want of memory: SIGKILL itself does not say why. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface MemoryKills {
  /** In our own control group; null when that is not told. */
  readonly group: number | null;
  /** On the machine; null when that is not told. */
  readonly machine: number | null;
}

export function memoryKills(): MemoryKills {
  return { group: countIn(groupFile()), machine: countIn('/proc/vmstat') };
}

/** Whether a process that was killed between two looks was killed for memory; null: perhaps. */
export function killedForMemory(before: MemoryKills, after: MemoryKills): boolean | null {
  if (before.group !== null && after.group !== null) return after.group > before.group;
  if (before.machine === null || after.machine === null) return null;
  // Somewhere on the machine, but where?
  return after.machine > before.machine ? null : false;
}

/** Control groups of version 2 (cgroups(7)); inside a container ours is the root. */
function groupFile(): string {
  try {
    const path = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
    return join('/sys/fs/cgroup', path, 'memory.events');
  } catch {
    return '/sys/fs/cgroup/memory.events';
  }
}

function countIn(file: string): number | null {
  try {
    const count = /^oom_kill (\d+)$/m.exec(readFileSync(file, 'utf8'))?.[1];
    return count === undefined ? null : Number(count);
  } catch {
    return null;
  }
}
