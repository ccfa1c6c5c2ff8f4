/** What the demo shows: a line a second of what clients see, and between them what happens. */

const BAR_WIDTH = 20;
const isTerminal = process.stdout.isTTY === true;
const paint = (code: number, text: string) => (isTerminal ? `\x1b[${code}m${text}\x1b[0m` : text);

export const bold = (text: string) => paint(1, text);
export const dim = (text: string) => paint(2, text);
export const red = (text: string) => paint(31, text);
export const green = (text: string) => paint(32, text);

const startedAtMs = performance.now();

/** One line, with the time since the start. */
export function say(text: string): void {
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1).padStart(6);
  process.stdout.write(`${dim(`${seconds} s`)}  ${text}\n`);
}

export function title(text: string): void {
  process.stdout.write(`\n${bold(text)}\n`);
}

export interface Second {
  readonly requests: number;
  /** The most of any second so far. */
  readonly requestsMax: number;
  readonly failed: number;
  readonly workers: number;
  readonly workersMax: number;
}

export function secondLine({ requests, requestsMax, failed, workers, workersMax }: Second): string {
  const width = requestsMax === 0 ? 0 : Math.round((requests / requestsMax) * BAR_WIDTH);
  const bar = '█'.repeat(width) + '·'.repeat(BAR_WIDTH - width);
  const alive = '●'.repeat(workers) + '○'.repeat(Math.max(0, workersMax - workers));
  const lost = failed === 0 ? '' : red(`  ${failed} failed`);
  return `${bar} ${String(requests).padStart(6)}/s  workers ${alive}${lost}`;
}

/** What was to be shown, and whether it was. */
export class Findings {
  #areAllGood = true;

  check(isGood: boolean, text: string): void {
    this.#areAllGood &&= isGood;
    process.stdout.write(`  ${isGood ? green('✔') : red('✖')} ${text}\n`);
  }

  get exitCode(): number {
    return this.#areAllGood ? 0 : 1;
  }
}
