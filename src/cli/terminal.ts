/**
 * Where commands print. Nothing else writes to standard output or error: what peers have sent is in
 * most of what there is to print, and a terminal carries out what it reads. So every text is made
 * harmless here, and the few commands to a terminal are ours.
 */
import { harmlessJson, harmlessLine, harmlessText } from '../base/harmless-text.ts';

const HOME = '\x1b[H';
const ERASE_LINE = '\x1b[K';
const ERASE_REST = '\x1b[J';
const RED = '\x1b[31m';
const PLAIN = '\x1b[0m';

/** Of text that is ours but for names; what peers send is for {@link printLines}. */
export function print(text: string, done?: () => void): void {
  process.stdout.write(harmlessText(text), () => done?.());
}

/** Whatever is in a line, it stays one: nothing that a peer has sent begins another. */
export function printLines(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${harmlessLine(line)}\n`).join(''));
}

/** Of an object on several lines. */
export function printJson(value: unknown, indent = 2): void {
  process.stdout.write(`${harmlessJson(value, indent)}\n`);
}

/** To standard error, beside what was asked for. */
export function printNote(text: string): void {
  process.stderr.write(harmlessText(text));
}

/** https://no-color.org: whoever sets it to anything wants none; and no file does. */
function hasColors(): boolean {
  return process.stdout.isTTY === true && (process.env.NO_COLOR ?? '') === '';
}

/** In place of what stood on the whole screen before. `isBad` are lines to look at: in red. */
export function printFrame(
  lines: readonly string[],
  isBad: (line: string) => boolean = () => false,
): void {
  const colors = hasColors();
  const safe = lines.map((line) => {
    const harmless = harmlessLine(line);
    return colors && isBad(line) ? `${RED}${harmless}${PLAIN}` : harmless;
  });
  process.stdout.write(`${HOME}${safe.join(`${ERASE_LINE}\n`)}${ERASE_LINE}${ERASE_REST}`);
}

/** Of a terminal that does not say, or says that it has none. */
const COLUMNS_DEFAULT = 80;
const ROWS_DEFAULT = 24;

export function screenSize(): { readonly columns: number; readonly rows: number } {
  const { columns, rows } = process.stdout;
  return { columns: columns || COLUMNS_DEFAULT, rows: rows || ROWS_DEFAULT };
}

/** The shell's prompt goes below the picture. */
export function leaveScreen(): never {
  print('\n');
  process.exit(0);
}

/** In place of what stood on the last line of standard output before. */
export function printInPlace(line: string): void {
  process.stdout.write(`\r${ERASE_LINE}${harmlessLine(line)}`);
}

/** In place of what stood on the last line of standard error before. */
export function printProgress(line: string): void {
  process.stderr.write(`\r${ERASE_LINE}${harmlessLine(line)}`);
}
