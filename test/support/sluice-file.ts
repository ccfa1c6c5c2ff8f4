/** A running sluice with a configuration file of a test's own. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RunningSluice, startSluice } from './sluice.ts';
import { temporaryDirectory } from './temporary.ts';

/** JSON is YAML. Ports are chosen by the kernel, also those of listeners that the file has. */
export function startSluiceWith(configuration: object): Promise<RunningSluice> {
  const file = join(temporaryDirectory(), 'sluice.yaml');
  writeFileSync(file, JSON.stringify(configuration, null, 2));
  return startSluice({
    listensByFile: 'listeners' in configuration,
    flags: ['--config', file],
  });
}
