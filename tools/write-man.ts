/** Writes the manual pages into dist/man, for the package. `npm run build:man` */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { commandHelps } from '../src/cli/command-help.ts';
import { commands } from '../src/cli/commands.ts';
import { manPages } from './man-pages.ts';

const root = new URL('../', import.meta.url);
const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
  version: string;
};
const directory = new URL('dist/man/', root);
mkdirSync(directory, { recursive: true });
for (const [name, page] of manPages(await commandHelps(commands), version)) {
  writeFileSync(new URL(name, directory), page);
}
