/** `sluice reload`: has a running sluice read its configuration again, and follows how it goes. */

import { setTimeout as sleep } from 'node:timers/promises';
import { UsageError } from '../base/errors.ts';
import { optionNamed } from '../config/option-table.ts';
import { parseDuration } from '../config/option-values.ts';
import type { ReloadStatus } from '../supervisor/reload.ts';
import { type ActionArguments, parseFlags } from './action-arguments.ts';
import { askAdmin } from './admin-client.ts';
import type { Command } from './command.ts';
import { print, printInPlace, printJson, printNote } from './terminal.ts';

const FLAGS = { admin: true, canary: true, json: false };

export const reloadCommand: Command = { flags: FLAGS, run };

/** How often the progress is asked for. */
const POLL_MS = 100;

const EXIT_OK = 0;
/** The new configuration did worse, and the old one is active again. */
const EXIT_ROLLED_BACK = 1;

/** Resolves with the exit code. Throws UsageError, also for a configuration that was refused. */
async function run(args: readonly string[]): Promise<number> {
  const parsed = parseFlags('reload', FLAGS, args);
  const canary = parsed.flags.get('canary');
  const body = canary === undefined ? {} : { canaryMs: canaryOf(canary) };
  await askAdmin(parsed, '/reload', body);
  const status = await follow(parsed);
  if (parsed.flags.has('json')) printJson(status);
  switch (status.outcome) {
    case 'refused':
      throw new UsageError(`reload: refused: ${status.reason}`, status.remedy);
    case 'rolled-back':
      printNote(`sluice: reload: rolled back: ${status.reason}; ${status.remedy}\n`);
      return EXIT_ROLLED_BACK;
    default:
      return EXIT_OK;
  }
}

function canaryOf(text: string): number {
  const given = { text, place: '--canary', directory: '/' };
  return parseDuration(optionNamed('drain-timeout')!, given);
}

async function follow(args: ActionArguments): Promise<ReloadStatus> {
  const isQuiet = args.flags.has('json');
  const progress = new Progress(isQuiet ? () => {} : print);
  for (;;) {
    const { reload } = (await askAdmin(args, '/reload')) as { reload: ReloadStatus };
    progress.show(reload);
    if (reload.phase === 'over') return reload;
    await sleep(POLL_MS);
  }
}

/** What has not been said yet, in lines; seconds of the trial in place on a terminal. */
class Progress {
  readonly #write: (text: string) => void;
  readonly #isTerminal = process.stdout.isTTY === true;
  #toldChanges = false;
  #toldTrial = false;
  #inPlace = false;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  show(status: ReloadStatus): void {
    if (!this.#toldChanges && status.phase !== 'reading') {
      this.#toldChanges = true;
      this.#line(changesText(status));
      for (const warning of status.warnings) this.#line(`warning: ${warning}`);
    }
    if (status.phase === 'trying') this.#trial(status);
    if (status.phase === 'over') this.#outcome(status);
  }

  #trial({ triedSeconds, canarySeconds, workers }: ReloadStatus): void {
    const text = `canary on worker 0 of ${workers}`;
    if (this.#isTerminal) {
      this.#inPlace = true;
      printInPlace(`${text}: ${triedSeconds.toFixed(0)} s of ${canarySeconds} s`);
    } else if (!this.#toldTrial) {
      this.#toldTrial = true;
      this.#line(`${text} for ${canarySeconds} s`);
    }
  }

  #outcome({ outcome, workers }: ReloadStatus): void {
    if (outcome === 'done') this.#line(`applied on all ${workers} workers`);
    else if (outcome === 'unchanged') this.#line('already applied');
    else this.#line('rolled back to the previous configuration');
  }

  #line(text: string): void {
    this.#write(this.#inPlace ? `\n${text}\n` : `${text}\n`);
    this.#inPlace = false;
  }
}

function changesText({ changes }: ReloadStatus): string {
  if (changes.length === 0) return 'nothing has changed';
  const lines = changes.map(({ key, before, after }) => `  ${key}: ${before} → ${after}`);
  return [`${changes.length} changed:`, ...lines].join('\n');
}
