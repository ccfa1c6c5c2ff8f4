/** Processes of this machine, as those know one another that share a cache directory. */

/** Whether a process of this machine is there; one of another user counts. */
export function isAlive(pid: number): boolean {
  if (pid === 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
