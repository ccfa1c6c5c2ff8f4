import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { until } from '../../test/support/waiting.ts';
import { type AccessLogOptions, openAccessLog } from './access-log.ts';
import { accessLogLine } from './access-log-line.ts';
import { type ExchangeSummary, emptySummary } from './exchange-summary.ts';
import { defaultLineLogLimits } from './line-log.ts';

function summary(facts: Partial<ExchangeSummary> = {}): ExchangeSummary {
  return {
    ...emptySummary(),
    startedAtMs: Date.UTC(2026, 10, 22, 10, 30, 5, 250),
    remoteAddress: '192.0.2.7',
    method: 'GET',
    scheme: 'https',
    authority: 'example.org',
    path: '/a?b=c',
    version: '1.1',
    userAgent: 'curl/8.5.0',
    status: 200,
    responseBytes: 1024,
    durationMs: 1.2345,
    firstByteMs: 1,
    cache: 'hit',
    ...facts,
  };
}

const TLS = {
  version: 'TLSv1.3',
  cipher: 'TLS_AES_128_GCM_SHA256',
  group: 'X25519MLKEM768',
  resumed: true,
  handshakeMs: 2.5,
};

function withLog(
  options: Partial<AccessLogOptions>,
  body: (file: string, dropped: () => number, options: AccessLogOptions) => Promise<void>,
) {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-'));
  let dropped = 0;
  const file = join(directory, 'access.log');
  return body(file, () => dropped, {
    target: file,
    format: 'combined',
    onDropped: (lines) => {
      dropped += lines;
    },
    onFault: () => {},
    ...options,
  }).finally(() => rmSync(directory, { recursive: true }));
}

test('a combined line is the well-known one with our fields after it', () => {
  assert.equal(
    accessLogLine('combined', summary({ tls: TLS, earlyData: 'answered-early' })),
    '192.0.2.7 - - [22/Nov/2026:10:30:05 +0000] "GET /a?b=c HTTP/1.1" 200 1024 "-" "curl/8.5.0" ' +
      'authority=example.org duration_ms=1.235 ttfb_ms=1 cache=hit early_data=answered-early ' +
      'tls=TLSv1.3 cipher=TLS_AES_128_GCM_SHA256 group=X25519MLKEM768 resumed=1 handshake_ms=2.5\n',
  );
});

test('a JSON line has every field, null where it does not apply', () => {
  const line = accessLogLine('json', summary({ originStatus: 503, originMs: 12 }));
  const record = JSON.parse(line);
  assert.equal(record.time, '2026-11-22T10:30:05.250Z');
  assert.equal(record.origin_status, 503);
  assert.equal(record.group, null);
  assert.equal(record.resumed, null);
  assert.equal(record.early_data, 0);
  assert.equal(line.indexOf('\n'), line.length - 1);
});

test('no request can forge a line, a field or a terminal sequence', () => {
  const nasty = 'x" 200 1\n127.0.0.1\\ \x1b[31m\x9b cache=hit';
  const forged = summary({ path: nasty, userAgent: nasty, method: nasty, authority: nasty });
  for (const format of ['combined', 'json'] as const) {
    const line = accessLogLine(format, forged);
    assert.match(line, /^[\x20-\x7e]*\n$/);
  }
  assert.equal(JSON.parse(accessLogLine('json', forged)).path, nasty);
  const combined = accessLogLine('combined', forged);
  assert.equal(combined.match(/(?<= )cache=/g)?.length, 4, 'three inside quotes, one field');
  assert.match(combined, / authority=x\\x22\\x20200\\x201\\x0a127\.0\.0\.1\\x5c\\x20/);
});

test('a request that could not be parsed is logged all the same', () => {
  const line = accessLogLine('combined', { ...emptySummary(), status: 400, errorCode: 'bad-head' });
  assert.match(line, /^- - - \[01\/Jan\/1970:00:00:00 \+0000\] "-" 400 0 "-" "-" /);
  assert.match(line, / error=bad-head$/m);
});

test('closing the log writes every line that waits', () =>
  withLog({}, async (file, dropped, options) => {
    const log = openAccessLog(options);
    for (let i = 0; i < 5000; i++) log.write(summary({ path: `/${i}` }));
    await log.close();
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    assert.equal(lines.length, 5000);
    assert.match(lines[4999] ?? '', /"GET \/4999 /);
    assert.equal(dropped(), 0);
  }));

test('lines beyond the limit are dropped and counted, and memory stays bounded', () => {
  const limits = { ...defaultLineLogLimits, pendingLengthMax: 10_000 };
  return withLog({ limits }, async (file, dropped, options) => {
    const log = openAccessLog(options);
    // No turn of the event loop in between, so nothing can be written meanwhile.
    for (let i = 0; i < 1000; i++) log.write(summary());
    await log.close();
    const written = readFileSync(file, 'utf8').trimEnd().split('\n').length;
    assert.ok(dropped() > 800);
    assert.equal(written + dropped(), 1000);
  });
});

test('after reopening lines go to the new file', () =>
  withLog({}, async (file, _dropped, options) => {
    const log = openAccessLog(options);
    log.write(summary({ path: '/before' }));
    await until(() => readFileSync(file, 'utf8') !== '', 'the first line');
    renameSync(file, `${file}.1`);
    log.reopen();
    log.write(summary({ path: '/after' }));
    await log.close();
    assert.match(readFileSync(`${file}.1`, 'utf8'), /\/before/);
    assert.match(readFileSync(file, 'utf8'), /^[^\n]*\/after[^\n]*\n$/);
  }));

test('a log that cannot be written is reported once, and its lines are counted', async () => {
  const faults: Error[] = [];
  let dropped = 0;
  const log = openAccessLog({
    target: '/dev/full',
    format: 'json',
    onDropped: (lines) => {
      dropped += lines;
    },
    onFault: (error) => faults.push(error),
  });
  log.write(summary());
  await new Promise((resolve) => setTimeout(resolve, 400));
  log.write(summary());
  await log.close();
  assert.equal(dropped, 2);
  assert.deepEqual(
    faults.map((fault) => (fault as NodeJS.ErrnoException).code),
    ['ENOSPC'],
  );
});

test('a file that cannot be opened is an error at once', () => {
  assert.throws(
    () =>
      openAccessLog({
        target: '/nowhere/access.log',
        format: 'json',
        onDropped: () => {},
        onFault: () => {},
      }),
    { code: 'ENOENT' },
  );
});

test('lines to a pipe that others write to stay whole', () => {
  // Three writers and one slow reader: writes that do not fit are split by the kernel.
  const program = `
    import { openAccessLog } from ${JSON.stringify(import.meta.resolve('./access-log.ts'))};
    import { emptySummary } from ${JSON.stringify(import.meta.resolve('./exchange-summary.ts'))};
    const log = openAccessLog({ target: '-', format: 'combined', onDropped() {}, onFault() {} });
    for (let i = 0; i < 2000; i++) {
      log.write({ ...emptySummary(), method: 'GET', path: '/' + process.argv[1].repeat(i % 400) });
    }
    await log.close();`;
  const node = `"$NODE" --input-type=module-typescript -e "$PROGRAM"`;
  const script = `{ ${node} a & ${node} b & ${node} c & wait; } | { sleep 0.3; cat; }`;
  const output = execFileSync('sh', ['-c', script], {
    encoding: 'utf8',
    maxBuffer: 1e8,
    env: { ...process.env, NODE: process.execPath, PROGRAM: program },
  });
  const lines = output.trimEnd().split('\n');
  assert.equal(lines.length, 6000);
  for (const line of lines) assert.match(line, /^- - - \[.*\] "GET \/(a*|b*|c*) HTTP/);
});

test('a line has any header, cookie and figure of the connection that it names', () => {
  const headers = new Map([
    ['x-a', 'one'],
    ['cookie', 'a=1; id=7, id=8'],
  ]);
  const lines = { combined: (name: string) => headers.get(name) };
  const asked: string[] = [];
  const known = summary({
    durationMs: 3,
    requestHeaders: lines,
    responseHeaders: { combined: (name) => `${name}"` },
    connection: {
      tcpFigure(figure) {
        asked.push(figure);
        return figure === 'cwnd' ? -1 : 1500;
      },
    },
  });
  const format = [
    ['header:X-A', 'header:no', 'cookie:id', 'cookie:none'],
    ['response_header:Server', 'tcp_rtt_ms', 'tcp_retransmits', 'tcp_cwnd', 'send_ms'],
  ].flat();
  const places = format.map((name) => `\${${name}}`).join(' ');
  const line = accessLogLine(places, known);
  assert.equal(line, 'one - 7 - server\\x22 1.5 1500 - 2\n');
  assert.deepEqual(asked, ['rtt', 'retransmits', 'cwnd']);
  // Nobody asks the kernel for what no line has.
  for (const other of ['combined', 'json']) accessLogLine(other, known);
  assert.equal(asked.length, 3);
});
