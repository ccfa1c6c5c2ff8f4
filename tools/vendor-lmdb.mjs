// Copies the code of lmdb, and of the packages that it is made of, into dist/vendor. As a dependency of
// users, lmdb would bring install scripts, of which npm 11 and pnpm warn at each installation; all that
// they do is to find the compiled library, which is a package without a script. Part of the build.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const modules = fileURLToPath(new URL('../node_modules/', import.meta.url));
const target = fileURLToPath(new URL('../dist/vendor/', import.meta.url));

/** Package, the file that holds all of its code, and its name here. */
const SOURCES = [
  ['lmdb', 'dist/index.cjs', 'lmdb.cjs'],
  ['msgpackr', 'dist/node.cjs', 'msgpackr.cjs'],
  ['ordered-binary', 'dist/index.cjs', 'ordered-binary.cjs'],
  ['weak-lru-cache', 'dist/index.cjs', 'weak-lru-cache.cjs'],
  ['@harperfast/extended-iterable', 'dist/index.cjs', 'extended-iterable.cjs'],
];

/** In place of what looks for the compiled library in many places. */
const NATIVE = `'use strict';
module.exports = () => require(\`@lmdb/lmdb-linux-\${process.arch}/node.napi.glibc.node\`);
`;

mkdirSync(target, { recursive: true });
const licences = [];
for (const [name, file, own] of SOURCES) {
  let text = readFileSync(`${modules}${name}/${file}`, 'utf8');
  for (const [other, , place] of SOURCES) {
    text = text.replaceAll(`require('${other}')`, `require('./${place}')`);
  }
  text = text.replaceAll("require('node-gyp-build-optional-packages')", "require('./native.cjs')");
  writeFileSync(target + own, text.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n'));
  licences.push(`${name}\n\n${licenceOf(modules + name)}\n`);
}
writeFileSync(`${target}native.cjs`, NATIVE);
writeFileSync(`${target}LICENSES`, licences.join('\n\n'));

/** Its text, or where a package has none, what its manifest says. */
function licenceOf(directory) {
  const file = readdirSync(directory).find((one) => /^licen[cs]e/i.test(one));
  if (file !== undefined) return readFileSync(`${directory}/${file}`, 'utf8').trim();
  const { license, author } = JSON.parse(readFileSync(`${directory}/package.json`, 'utf8'));
  return `${license}, by ${author?.name ?? author}`;
}
