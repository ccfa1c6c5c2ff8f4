/** Options as they are when little is said, from the program's own resolver, with some others in place. */
import { parseCommandLine } from '../../src/config/command-line.ts';
import type { SluiceOptions } from '../../src/config/options.ts';
import { resolveOptions } from '../../src/config/resolve.ts';

const { given } = parseCommandLine(['--origin', 'http://127.0.0.1:3000', '--http', '0'], '/');
const plain = await resolveOptions(given, {
  command: 'run',
  nowMs: 0,
  stateDirectory: '/nowhere',
  demoOrigin: null,
  isCheck: true,
  warn() {},
});

export function optionsWith(parts: Partial<SluiceOptions> = {}): SluiceOptions {
  return { ...plain, ...parts };
}
