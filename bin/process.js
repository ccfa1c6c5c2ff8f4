/**
 * Runs a module of ours, given by its path, as a process of its own: a worker, say. Plain JavaScript, so
 * that Node needs nothing to run it.
 */
const [, , path] = process.argv;

const { load } = path.endsWith('.ts')
  ? await import('../src/loading/program.ts')
  : await import('../dist/loading/program.js');
await load(path);
