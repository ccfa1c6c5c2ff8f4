import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { startSluiceWith } from '../support/sluice-file.ts';
import { sleep, until } from '../support/waiting.ts';
import { appDirectory } from './apps.ts';

/** Each response takes a while, and says by which version and thread it was made. */
const version = (name: string) => `
import { word } from './word.ts';
import { threadId } from 'node:worker_threads';
export default {
  async fetch(request: Request): Promise<Response> {
    await request.text();
    await new Promise((go) => setTimeout(go, 20));
    return new Response(\`\${word} ${name} \${process.pid}.\${threadId}\`, {
      headers: { 'Cache-Control': 'no-store' } });
  },
};
`;

const directory = appDirectory({
  'site.ts': version('one'),
  'word.ts': "export const word: string = 'version';\n",
});
const file = join(directory, 'site.ts');
const sluice = await startSluiceWith({
  workers: 1,
  origins: { site: { handler: { file, threads: 3 } } },
});
after(() => sluice[Symbol.asyncDispose]());

async function ask(): Promise<string> {
  const response = await fetch(`${sluice.httpUrl}/`, { method: 'POST', body: 'x' });
  return `${response.status} ${await response.text()}`;
}

const reloads = async () =>
  (sluice.output.match(/reload: (?:done|refused|unchanged)/g) ?? []).length;

async function reload(): Promise<void> {
  const before = await reloads();
  sluice.signal('SIGHUP');
  await until(
    async () => (await reloads()) > before,
    () => sluice.output,
  );
}

test('a module that has changed is served after SIGHUP, by all threads, no request lost', async () => {
  const answers: string[] = [];
  let isOver = false;
  const clients = Array.from({ length: 4 }, async () => {
    while (!isOver) answers.push(await ask());
  });
  try {
    for (const name of ['two', 'three', 'four']) {
      writeFileSync(file, version(name));
      await reload();
      const isNew = (answer: string) => answer.startsWith(`200 version ${name} `);
      let seen: string[] = [];
      // Connections of before serve one more request each.
      await until(
        async () => {
          seen = await Promise.all([1, 2, 3, 4, 5, 6].map(ask));
          return seen.every(isNew) && new Set(seen).size === 3;
        },
        () => seen.join(', '),
      );
    }
  } finally {
    isOver = true;
    await Promise.all(clients);
  }
  assert.deepEqual(
    answers.filter((answer) => !answer.startsWith('200 version')),
    [],
  );
});

test('old versions end: one process is left, and no socket of theirs', async () => {
  const pids = new Set<string>();
  for (let i = 0; i < 6; i++) pids.add(/ (\d+)\./.exec(await ask())![1]!);
  assert.equal(pids.size, 1);
  await until(
    () => handlerProcesses().length === 1,
    () => handlerProcesses().join(' '),
  );
});

test('what the module imports is watched, too; without a change nothing is restarted', async () => {
  const before = await ask();
  await reload();
  assert.match(sluice.output, /reload: unchanged/);
  assert.match(await ask(), new RegExp(`^200 version four ${/ (\d+)\./.exec(before)![1]}\\.`));
  await sleep(20);
  writeFileSync(join(directory, 'word.ts'), "export const word: string = 'another';\n");
  await reload();
  await until(
    async () => (await ask()).startsWith('200 another four'),
    () => sluice.output,
  );
});

test('a module that cannot be loaded is refused, with the reason, and the one before serves on', async () => {
  writeFileSync(file, 'export default { fetch() { return');
  await reload();
  assert.match(
    sluice.output,
    /reload: refused.*handler site: .*site\.ts cannot be loaded: .*SyntaxError/s,
  );
  writeFileSync(file, 'export const nothing = 1;');
  await reload();
  assert.match(sluice.output, /site\.ts exports no handler/);
  assert.match(await ask(), /^200 \w+ four /);
  await until(
    () => handlerProcesses().length === 1,
    () => handlerProcesses().join(' '),
  );
});

/** Children of sluice. */
function handlerProcesses(): string[] {
  const children = readdirSync(`/proc/${sluice.pid}/task`).flatMap((task) =>
    childrenOf(`/proc/${sluice.pid}/task/${task}/children`),
  );
  return children;
}

function childrenOf(path: string): string[] {
  return readFileSync(path, 'utf8')
    .split(' ')
    .filter((pid) => pid !== '');
}
