// Where the pinned Node is. Run as a program (npm's `prepare`), it makes node_modules/.bin/node, so
// that scripts find the pinned Node first: a link, or a script where libatomic is missing. Plain
// JavaScript: any Node from 20 on runs it.
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMissing, writeLibrary } from '../bin/libatomic.js';

const modules = fileURLToPath(new URL('../node_modules/', import.meta.url));

/** The binary of the runtime package for this platform; it need not exist. */
export const pinnedNode = `${modules}node-${process.platform}-${process.arch}/bin/node`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const link = `${modules}.bin/node`;
  if (existsSync(pinnedNode)) {
    mkdirSync(`${modules}.bin`, { recursive: true });
    if (isMissing()) writeWrapper(link);
    else if (!existsSync(link)) symlinkSync(relative(dirname(link), pinnedNode), link);
  }
}

function writeWrapper(path) {
  const directory = `${modules}.libatomic`;
  writeLibrary(directory);
  rmSync(path, { force: true });
  const from = (target) => relative(dirname(path), target);
  const lines = [
    '#!/bin/sh',
    '# This machine has no libatomic.so.1: see bin/libatomic.js.',
    // Wherever the checkout is moved to, or mounted.
    'here=$(cd "$(dirname "$0")" && pwd)',
    `export LD_LIBRARY_PATH="\${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$here/${from(directory)}"`,
    `exec "$here/${from(pinnedNode)}" "$@"`,
  ];
  writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o755 });
}
