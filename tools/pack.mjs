// What npm packs. As `prepack` it puts the published manifest in the place of the checkout's, as
// `postpack` it puts that back. Plain JavaScript, for whatever Node npm runs in.
//
// Users have no use for our scripts and development tools; npm 11 would warn them of `prepare`. The
// runtime is no dependency of the published package: docs/adr/0016-a-runtime-of-our-own.md.
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = `${root}package.json`;
const kept = `${root}package.json.checkout`;

const PUBLISHED = [
  ...['name', 'version', 'description', 'keywords', 'license', 'homepage', 'repository', 'bugs'],
  ...['type', 'engines', 'exports', 'bin', 'files', 'dependencies'],
];

/** The manifest as users get it. `man`: names of the manual pages that were built. */
export function publishedManifest(all, man = []) {
  const kept = PUBLISHED.map((key) => [key, all[key]]).filter(([, value]) => value);
  const { lmdb, ...dependencies } = all.dependencies;
  // tools/vendor-lmdb.mjs says why. No library for a platform is no fault: sluice does not run there.
  const libraries = ['x64', 'arm64'].map((arch) => [`@lmdb/lmdb-linux-${arch}`, lmdb]);
  return {
    ...Object.fromEntries(kept),
    man: man.map((name) => `./dist/man/${name}`),
    imports: { '#lmdb': './dist/vendor/lmdb.cjs' },
    dependencies,
    optionalDependencies: Object.fromEntries(libraries),
  };
}

function replace(path, text) {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

switch (process.argv[2]) {
  case 'prepack': {
    // One that was left is of a run that was ended in between.
    const text = readFileSync(existsSync(kept) ? kept : manifest, 'utf8');
    const man = readdirSync(`${root}dist/man`).sort();
    replace(kept, text);
    replace(manifest, `${JSON.stringify(publishedManifest(JSON.parse(text), man), null, 2)}\n`);
    break;
  }
  case 'postpack':
    replace(manifest, readFileSync(kept, 'utf8'));
    rmSync(kept);
    break;
}
