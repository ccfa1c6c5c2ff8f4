import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { run, unlessInstalled } from '../support/programs.ts';

const child = fileURLToPath(new URL('../support/fast-open-child.ts', import.meta.url));

/** A network of its own, in which the child is root: loopback, and Fast Open for both sides. */
const INSIDE = 'ip link set lo up && echo 3 > /proc/sys/net/ipv4/tcp_fastopen && exec "$@"';

async function whyNot(): Promise<string | false> {
  for (const name of ['unshare', 'ip', 'curl']) {
    const missing = unlessInstalled(name);
    if (missing !== false) return missing;
  }
  const { code } = await run('unshare', ['-rn', 'sh', '-c', INSIDE, 'sh', 'true']);
  return code === 0 ? false : 'no network namespace with TCP Fast Open can be made here';
}

const skip = await whyNot();

test('with fast-open a returning client’s request comes with its first packet', {
  skip,
}, async () => {
  const words = ['-rn', 'sh', '-c', INSIDE, 'sh', process.execPath, ...process.execArgv, child];
  const { text, stderr } = await run('unshare', words, { timeoutMs: 30_000 });
  const line = text.split('\n').find((one) => one.startsWith('{'));
  assert.ok(line !== undefined, `${text}${stderr}`);
  const { answers, accepted } = JSON.parse(line) as { answers: string[]; accepted: number };
  assert.deepEqual(answers, ['answer', 'answer', 'answer', 'answer']);
  // Of each pair the second; the cookie is the address's, so the first over TLS may be one as well.
  assert.ok(accepted >= 2, `${accepted} connections with data in their SYN`);
});
