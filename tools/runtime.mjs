// Where the pinned Node is. npm 11 links it as node_modules/.bin/node; npm 10 leaves a package's
// command of that name out, so whoever needs the binary asks here. Run as a program (npm's
// `prepare`), it makes the link that is missing, so that scripts find the pinned Node first either
// way. Plain JavaScript: any Node from 20 on runs it.
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const modules = fileURLToPath(new URL('../node_modules/', import.meta.url));

/** The binary of the runtime package for this platform; it need not exist. */
export const pinnedNode = `${modules}node-${process.platform}-${process.arch}/bin/node`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const link = `${modules}.bin/node`;
  if (existsSync(pinnedNode) && !existsSync(link)) {
    mkdirSync(`${modules}.bin`, { recursive: true });
    symlinkSync(pinnedNode, link);
  }
}
