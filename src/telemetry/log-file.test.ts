import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test from 'node:test';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { until, within } from '../../test/support/waiting.ts';
import { defaultLineLogLimits, LineLog } from './line-log.ts';

function namedPipe(): string {
  const path = join(temporaryDirectory(), 'log');
  execFileSync('mkfifo', [path]);
  return path;
}

function openLog(target: string) {
  let dropped = 0;
  const log = new LineLog({
    target,
    limits: { ...defaultLineLogLimits, blockLength: 10, pendingLengthMax: 100_000 },
    onDropped: (lines) => {
      dropped += lines;
    },
    onFault: (error) => assert.fail(error),
  });
  return { log, dropped: () => dropped };
}

test('a named pipe without a reader holds nothing up, and its first reader has what waits', async () => {
  const path = namedPipe();
  const { log, dropped } = openLog(path);
  log.write('one\n');
  log.reopen();
  log.write('two\n');
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const bytes = Buffer.alloc(100);
  let read = '';
  await until(() => {
    try {
      read += bytes.toString('latin1', 0, readSync(reader, bytes));
    } catch {}
    return read === 'one\ntwo\n';
  }, 'both lines');
  closeSync(reader);
  await within(log.close(), 'the end');
  assert.equal(dropped(), 0);
});

test('a named pipe whose reader stands still: lines are dropped and counted, and the end comes', async () => {
  const path = namedPipe();
  const { log, dropped } = openLog(path);
  const line = `${'x'.repeat(999)}\n`;
  for (let i = 0; i < 1_000; i++) log.write(line);
  const atOnce = dropped();
  assert.ok(atOnce >= 800 && atOnce < 1_000, `${atOnce} dropped`);
  await within(log.close(), 'the end');
  // Nobody has read what the kernel keeps: 64 KiB.
  assert.ok(dropped() > atOnce, `${dropped()} dropped`);
});

test('reports to standard error go on while nobody reads them, and none is lost', async () => {
  const program = `
    import { ErrorLog } from ${JSON.stringify(import.meta.resolve('../supervisor/error-log.ts'))};
    import { writeFileSync } from 'node:fs';
    const log = new ErrorLog();
    for (let i = 0; i < 500; i++) log.report('x'.repeat(1_000), { event: 'kind-' + i });
    writeFileSync(process.argv[1], 'not held up');
    await log.close();`;
  const go = join(temporaryDirectory(), 'go');
  // The reader begins when all is reported.
  const node = `"$NODE" --input-type=module-typescript -e "$PROGRAM" "$GO" 2>&1`;
  const script = `${node} | { until [ -s "$GO" ]; do sleep 0.05; done; cat; }`;
  const env = { ...process.env, NODE: process.execPath, PROGRAM: program, GO: go };
  const child = spawn('sh', ['-c', script], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const output = await within(text(child.stdout), 'the lines');
  assert.equal(output.trimEnd().split('\n').length, 500);
  assert.match(output, /^(?:sluice: x{1000}\n)+$/);
});
