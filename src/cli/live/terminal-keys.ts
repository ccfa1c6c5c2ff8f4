/** Keys as they are pressed at a terminal, and how a text for a filter is typed. */

export const CTRL_C = '\x03';
export const ESCAPE = '\x1b';
const BACKSPACE = '\x7f';
/** A filter is the part of a name. */
const FILTER_LENGTH_MAX = 60;

/** Sequences that terminals send for keys which we know, by what we call them. */
const SEQUENCES: Readonly<Record<string, string>> = {
  '\x1b[A': 'up',
  '\x1b[B': 'down',
  '\x1b[5~': 'page-up',
  '\x1b[6~': 'page-down',
};

/** Until the process ends: characters, and names of keys that are none. Nothing without a terminal. */
export function readKeys(onKey: (key: string) => void): void {
  const { stdin } = process;
  if (stdin.isTTY !== true) return;
  stdin.setRawMode(true);
  process.once('exit', () => stdin.setRawMode(false));
  stdin.setEncoding('utf8').on('data', (keys: string) => {
    if (keys.length > 1 && keys.startsWith(ESCAPE)) {
      const name = SEQUENCES[keys];
      if (name !== undefined) onKey(name);
      return;
    }
    for (const key of keys) onKey(key);
  });
}

export interface Typing {
  readonly filter: string;
  readonly isTyping: boolean;
}

/** What is typed after a key. */
export function typed({ filter }: Typing, key: string): Typing {
  if (key === '\r' || key === '\n') return { filter, isTyping: false };
  if (key === ESCAPE) return { filter: '', isTyping: false };
  if (key === BACKSPACE) return { filter: filter.slice(0, -1), isTyping: true };
  const isText = /^[\x20-\x7e]$/.test(key) && filter.length < FILTER_LENGTH_MAX;
  return { filter: isText ? filter + key : filter, isTyping: true };
}
