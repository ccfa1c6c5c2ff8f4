// Has the built declarations import `.js`, as the built code does: the compiler rewrites the code only.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

for (const room of ['library', 'plugin']) {
  const directory = fileURLToPath(new URL(`../dist/${room}/`, import.meta.url));
  for (const name of readdirSync(directory).filter((one) => one.endsWith('.d.ts'))) {
    const text = readFileSync(directory + name, 'utf8');
    writeFileSync(directory + name, text.replace(/(from '\.[^']*)\.ts'/g, "$1.js'"));
  }
}
