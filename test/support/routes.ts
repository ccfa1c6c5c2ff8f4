/** A running sluice with a configuration file of its own. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RunningSluice, startSluice } from './sluice.ts';
import { temporaryDirectory } from './temporary.ts';

export interface Configured {
  /** Sections and keys. JSON is YAML, too. */
  readonly file: object;
  /** Files beside the configuration: name and content. */
  readonly files?: Readonly<Record<string, string>>;
  readonly workers?: number;
  readonly flags?: readonly string[];
  /** The file has listeners: one of http and one of https, at port 0. */
  readonly listensByFile?: boolean;
}

export async function startConfigured(configured: Configured): Promise<RunningSluice> {
  const { file, files = {}, workers = 1, flags = [], listensByFile = false } = configured;
  const directory = temporaryDirectory();
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(directory, name), content);
  }
  const path = join(directory, 'sluice.yaml');
  writeFileSync(path, JSON.stringify(file));
  return startSluice({ workers, listensByFile, flags: ['--config', path, ...flags] });
}
