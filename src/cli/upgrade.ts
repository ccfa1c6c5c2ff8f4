/** `sluice upgrade`: has the program on disk take over from a running sluice. */
import { parseFlags, printAnswer } from './action-arguments.ts';
import { askAdmin } from './admin-client.ts';
import type { Command } from './command.ts';

/** A little more than the running sluice waits for the new one. */
const UPGRADE_TIMEOUT_MS = 65_000;

const FLAGS = { admin: true, json: false };

export const upgradeCommand: Command = { flags: FLAGS, run };

/** Resolves with the exit code. Throws UsageError when the new one does not serve. */
async function run(args: readonly string[]): Promise<number> {
  const parsed = parseFlags('upgrade', FLAGS, args);
  const answer = await askAdmin(parsed, '/upgrade', {}, UPGRADE_TIMEOUT_MS);
  const { pid } = answer as { pid: number };
  printAnswer(parsed, answer, [`process ${pid} serves; the one before finishes what is under way`]);
  return 0;
}
