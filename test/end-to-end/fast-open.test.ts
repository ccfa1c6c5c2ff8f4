import assert from 'node:assert/strict';
import test, { before } from 'node:test';
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

interface Outcome {
  readonly answers: readonly string[];
  readonly accepted: number;
  readonly oneRoundTrip: { readonly answer: string; readonly accepted: number } | null;
}

let outcome: Outcome;
before(async () => {
  if (skip !== false) return;
  const words = ['-rn', 'sh', '-c', INSIDE, 'sh', process.execPath, ...process.execArgv, child];
  const { text, stderr } = await run('unshare', words, { timeoutMs: 30_000 });
  const line = text.split('\n').find((one) => one.startsWith('{'));
  assert.ok(line !== undefined, `${text}${stderr}`);
  outcome = JSON.parse(line) as Outcome;
});

test('with fast-open a returning client’s request comes with its first packet', { skip }, () => {
  const { answers, accepted } = outcome;
  assert.deepEqual(answers, ['answer', 'answer', 'answer', 'answer']);
  // Of each pair the second; the cookie is the address's, so the first over TLS may be one as well.
  assert.ok(accepted >= 2, `${accepted} connections with data in their SYN`);
});

test('with early data in that packet, request and answer take one round trip in all', {
  skip: skip === false ? unlessInstalled('python3') : skip,
}, () => {
  assert.match(outcome.oneRoundTrip!.answer, /^HTTP\/1\.1 200 [\s\S]*answer/);
  assert.equal(outcome.oneRoundTrip!.accepted, 1, 'its SYN had data that was taken');
});
