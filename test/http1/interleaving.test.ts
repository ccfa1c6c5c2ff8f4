/** What one connection does must not depend on what another one did before or between. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import type { RequestHandler } from '../../src/http/exchange.ts';
import fc from '../support/fast-check.ts';
import { patience } from '../support/waiting.ts';
import { type TestServer, testServer } from './wire.ts';

interface Recorded extends TestServer {
  readonly events: string[];
}

function recorded(): Recorded {
  const events: string[] = [];
  const handler: RequestHandler = {
    onContent: (bytes) => events.push(`content ${Buffer.from(bytes).toString('latin1')}`),
    onEnd: (trailers) => events.push(`end ${JSON.stringify([...(trailers ?? [])])}`),
    onAbort: (error) => events.push(`abort ${error.code}`),
    onWritable() {},
  };
  const server = testServer({
    onRequest(head) {
      events.push(`${head.method} ${head.path} ${JSON.stringify([...head.fields])}`);
      return handler;
    },
  });
  return { ...server, events };
}

const CHUNKED = 'POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';

test('trailers that come in pieces are not mixed with the fields of another connection', () => {
  const [one, other] = [recorded(), recorded()];
  one.receive(`${CHUNKED}0\r\nx-checksum: 12345678\r\n`);
  other.receive('GET /b HTTP/1.1\r\nHost: b\r\nUser-Agent: somebody\r\n\r\n');
  one.receive('\r\n');
  assert.equal(one.events.at(-1), 'end [["x-checksum","12345678"]]');
});

test('messages of two connections cut anywhere and interleaved are read as if they were alone', () => {
  const messages = [
    `${CHUNKED}3\r\nabc\r\n0\r\nx-one: 1\r\nx-checksum: 12345678\r\n\r\n`,
    'GET /b HTTP/1.1\r\nHost: b.example\r\nUser-Agent: somebody\r\nAccept: */*\r\n\r\n',
    `${CHUNKED}5;ext="q"\r\nhello\r\n0\r\nx-two: 2\r\n\r\n`,
  ];
  const alone = messages.map((message) => {
    const server = recorded();
    server.receive(message);
    return server.events;
  });
  const turns = fc.array(fc.tuple(fc.nat(messages.length - 1), fc.integer({ min: 1, max: 30 })), {
    maxLength: 60,
  });
  const independent = fc.property(turns, (pieces) => {
    const servers = messages.map(recorded);
    const places = messages.map(() => 0);
    const finish = messages.map((message, index) => [index, message.length] as const);
    for (const [index, length] of [...pieces, ...finish]) {
      const place = places[index]!;
      servers[index]!.receive(messages[index]!.slice(place, place + length));
      places[index] = Math.min(messages[index]!.length, place + length);
    }
    for (const [index, { events }] of servers.entries()) {
      assert.deepEqual(joined(events), joined(alone[index]!));
    }
  });
  fc.assert(independent, { numRuns: 500 });
});

/** Content that comes in pieces counts as one. */
function joined(events: readonly string[]): string[] {
  const whole: string[] = [];
  for (const event of events) {
    const goesOn = event.startsWith('content ') && whole.at(-1)?.startsWith('content ') === true;
    if (goesOn) whole.push(whole.pop()! + event.slice('content '.length));
    else whole.push(event);
  }
  return whole;
}

test('an empty Host is refused by a process that has seen no other yet', () => {
  const wire = new URL('./wire.ts', import.meta.url).href;
  const script = `
    const { testServer } = await import(${JSON.stringify(wire)});
    const { receive, refusals } = testServer({ onRequest: () => process.exit(1) });
    receive('GET / HTTP/1.1\\r\\nHost:\\r\\n\\r\\n');
    console.log(refusals.map(({ code }) => code).join());
  `;
  const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script];
  const { stdout } = spawnSync(process.execPath, flags, {
    encoding: 'utf8',
    timeout: patience(60_000),
  });
  assert.equal(stdout.trim(), 'bad-host');
});
