/** What an HTTP/2 client sees, frame by frame, when sluice ends in order (RFC 9113 §6.8). */
import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import {
  ACK,
  FrameTeller,
  frame,
  get,
  PREFACE,
  readFrames,
  settings,
  TYPE,
} from '../http2/wire.ts';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { until } from '../support/waiting.ts';

const FIRST_GOAWAY = 'GOAWAY 2147483647 NO_ERROR';

const origin = await startOrigin((_, response) => response.end('served'));
after(() => origin[Symbol.asyncDispose]());

function start(grace: string): Promise<RunningSluice> {
  const flags = ['--http2-cleartext', 'on', '--drain-grace', grace, '--drain-timeout', '120s'];
  return startSluice({ origin: origin.url, flags });
}

class Client implements Disposable {
  readonly raw: RawConnection;

  constructor(raw: RawConnection) {
    this.raw = raw;
  }

  /** One on which a request has been served. */
  static async open({ httpPort }: RunningSluice): Promise<Client> {
    const client = new Client(await RawConnection.open(httpPort));
    client.raw.send(Buffer.concat([PREFACE, settings(), frame(TYPE.SETTINGS, ACK, 0), get(1)]));
    await client.told('DATA 1 6 END_STREAM');
    return client;
  }

  /** All frames that have come, in words. */
  get lines(): string[] {
    const teller = new FrameTeller();
    return readFrames(Buffer.from(this.raw.unread, 'latin1')).map((one) => teller.tell(one));
  }

  get goaways(): string[] {
    return this.lines.filter((line) => line.startsWith('GOAWAY'));
  }

  async told(line: string): Promise<void> {
    await until(
      () => this.lines.includes(line),
      () => `${line} after ${this.lines.join(', ')}`,
    );
  }

  /** Answers the PING that goes with the first GOAWAY. */
  answerPing(): void {
    const probe = readFrames(Buffer.from(this.raw.unread, 'latin1')).find(
      ({ type, flags }) => type === TYPE.PING && (flags & ACK) === 0,
    );
    assert.ok(probe, 'a PING comes with the first GOAWAY');
    this.raw.send(frame(TYPE.PING, ACK, 0, probe.payload));
  }

  [Symbol.dispose](): void {
    this.raw.socket.destroy();
  }
}

test('on SIGTERM what is on its way is served, and then the last is named', async () => {
  await using sluice = await start('100s');
  using client = await Client.open(sluice);
  process.kill(sluice.pid, 'SIGTERM');
  await client.told(FIRST_GOAWAY);
  client.raw.send(get(3));
  await client.told('DATA 3 6 END_STREAM');
  assert.deepEqual(client.goaways, [FIRST_GOAWAY], 'requests may still be on their way');
  client.answerPing();
  await until(() => client.raw.isEnded, 'the end of the connection');
  assert.deepEqual(client.goaways, [FIRST_GOAWAY, 'GOAWAY 3 NO_ERROR']);
});

test('who never answers the PING is told of the last after the grace', async () => {
  await using sluice = await start('300ms');
  using client = await Client.open(sluice);
  process.kill(sluice.pid, 'SIGTERM');
  await client.told(FIRST_GOAWAY);
  await until(() => client.raw.isEnded, 'the end of the connection');
  assert.deepEqual(client.goaways, [FIRST_GOAWAY, 'GOAWAY 1 NO_ERROR']);
});
