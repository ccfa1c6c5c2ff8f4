/** Writes the reference pages that come from tables in the source. `npm run docs` */
import { writeFileSync } from 'node:fs';
import { referencePages } from './reference-pages.ts';

for (const [file, text] of await referencePages()) {
  writeFileSync(new URL(`../${file}`, import.meta.url), text);
}
