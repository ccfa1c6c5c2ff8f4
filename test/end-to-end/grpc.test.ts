import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect, constants, type IncomingHttpHeaders } from 'node:http2';
import test, { after } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { makeSelfSignedCertificate } from '../../src/tls/self-signed.ts';
import { type Message, startTalkServer, type TalkClient, talkClient } from '../support/grpc.ts';
import { startConfigured } from '../support/routes.ts';
import { certificateFile, startSluice } from '../support/sluice.ts';
import { inParallel, until, within } from '../support/waiting.ts';

const certificate = makeSelfSignedCertificate({ names: ['localhost'], nowMs: Date.now() });

interface Outcome {
  readonly error: grpc.ServiceError | null;
  readonly message: Message | undefined;
  readonly header: grpc.Metadata | null;
  readonly status: grpc.StatusObject | null;
}

/** One unary call, with all that came of it. */
function say(
  client: TalkClient,
  text: string,
  options: grpc.CallOptions = {},
  metadata = new grpc.Metadata(),
): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  let header: grpc.Metadata | null = null;
  let status: grpc.StatusObject | null = null;
  const call = client.say({ text }, metadata, options, (error, message) => {
    setImmediate(() => resolve({ error, message, header, status }));
  });
  call.on('metadata', (received: grpc.Metadata) => {
    header = received;
  });
  call.on('status', (received: grpc.StatusObject) => {
    status = received;
  });
  return within(promise, `the answer to ${text.slice(0, 20)}`);
}

for (const name of ['h2c', 'https'] as const) {
  const server = await startTalkServer(name === 'https' ? certificate : null);
  const flags = name === 'https' ? ['--danger-skip-origin-verification', 'on'] : [];
  const sluice = await startSluice({ origin: `${name}://127.0.0.1:${server.port}`, flags });
  const client = talkClient(`localhost:${sluice.httpsPort}`, readFileSync(certificateFile()));
  after(async () => {
    client.close();
    await sluice[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  test(`${name}: a unary call, its metadata both ways, and its trailers`, async () => {
    const metadata = new grpc.Metadata();
    metadata.set('x-asked', 'please');
    const { error, message, header, status } = await say(client, 'hello', {}, metadata);
    assert.equal(error, null);
    assert.deepEqual(message, { text: 'you said hello', count: 5 });
    assert.deepEqual(header!.get('x-header'), ['please']);
    assert.equal(status!.code, grpc.status.OK);
    assert.deepEqual(status!.metadata.get('x-trailer'), ['last']);
  });

  test(`${name}: a failure keeps its code, its words and its trailers`, async () => {
    const { error } = await say(client, 'fail');
    assert.equal(error!.code, grpc.status.FAILED_PRECONDITION);
    assert.equal(error!.details, 'not in this state: 100 % sure');
    assert.deepEqual(error!.metadata.get('x-trailer'), ['last']);
  });

  test(`${name}: a message of three megabytes passes both ways`, async () => {
    const { error, message } = await say(client, 'x'.repeat(3_000_000));
    assert.equal(error, null);
    assert.equal(message!.count, 3_000_000);
  });

  test(`${name}: the server streams a thousand messages in order`, async () => {
    const counts: (number | undefined)[] = [];
    const call = client.list({ text: 'item', count: 1_000 });
    for await (const message of call) counts.push((message as Message).count);
    assert.deepEqual(
      counts,
      Array.from({ length: 1_000 }, (_, i) => i),
    );
  });

  test(`${name}: the client streams`, async () => {
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    const call = client.collect((error, message) =>
      error === null ? resolve(message!) : reject(error),
    );
    for (const text of ['a', 'b', 'c']) call.write({ text });
    call.end();
    assert.deepEqual(await within(promise, 'the sum'), { text: 'a+b+c', count: 3 });
  });

  test(`${name}: both stream, and each answer comes before the next question`, async () => {
    const call = client.chat();
    const answers: string[] = [];
    call.on('data', ({ text }: Message) => answers.push(text));
    for (let i = 1; i <= 20; i++) {
      call.write({ text: `${i}` });
      await until(() => answers.length === i, `answer ${i}`);
    }
    const { promise, resolve } = Promise.withResolvers<grpc.StatusObject>();
    call.on('status', resolve);
    call.end();
    assert.equal((await within(promise, 'the status')).code, grpc.status.OK);
    assert.equal(answers.at(-1), 're: 20');
  });

  test(`${name}: a deadline that passes cancels the call at the server`, async () => {
    const before = server.cancelled;
    const { error } = await say(client, 'never', { deadline: Date.now() + 200 });
    assert.equal(error!.code, grpc.status.DEADLINE_EXCEEDED);
    await until(() => server.cancelled > before, 'the server to hear of it');
  });

  test(`${name}: a client that cancels a stream ends it at the server`, async () => {
    const before = server.cancelled;
    const call = client.list({ text: 'endless' });
    const { promise, resolve } = Promise.withResolvers<grpc.ServiceError>();
    let received = 0;
    call.on('data', () => received++);
    call.on('error', (error) => resolve(error as grpc.ServiceError));
    await until(() => received > 2, 'messages');
    call.cancel();
    assert.equal((await within(promise, 'the end')).code, grpc.status.CANCELLED);
    await until(() => server.cancelled > before && server.endless === 0, 'the server’s end');
  });

  test(`${name}: two hundred calls at once`, async () => {
    await inParallel(200, 200, async (index) => {
      const { error, message } = await say(client, `${index}`);
      assert.equal(error, null);
      assert.equal(message!.text, `you said ${index}`);
    });
  });
}

test('an origin that is gone is UNAVAILABLE to a gRPC client', async () => {
  const server = await startTalkServer(null);
  await using sluice = await startSluice({ origin: `h2c://127.0.0.1:${server.port}` });
  const client = talkClient(`localhost:${sluice.httpsPort}`, readFileSync(certificateFile()));
  try {
    assert.equal((await say(client, 'hello')).error, null);
    await server[Symbol.asyncDispose]();
    const { error } = await say(client, 'hello');
    assert.equal(error!.code, grpc.status.UNAVAILABLE);
  } finally {
    client.close();
  }
});

const gone = { origins: { app: { servers: ['h2c://127.0.0.1:1'] } } };

test('a gRPC client reads answers of ours by the mapping of gRPC', async () => {
  const statuses: readonly (readonly [number, grpc.status])[] = [
    [400, grpc.status.INTERNAL],
    [401, grpc.status.UNAUTHENTICATED],
    [403, grpc.status.PERMISSION_DENIED],
    [404, grpc.status.UNIMPLEMENTED],
    [413, grpc.status.UNKNOWN],
    [429, grpc.status.UNAVAILABLE],
    [500, grpc.status.UNKNOWN],
    [503, grpc.status.UNAVAILABLE],
    [504, grpc.status.UNAVAILABLE],
  ];
  const routes = statuses.map(([status]) => ({
    match: { headers: { 'x-asked': String(status) } },
    respond: { status },
  }));
  await using sluice = await startConfigured({
    file: { ...gone, routes: [...routes, { origin: 'app' }] },
  });
  const client = talkClient(`localhost:${sluice.httpsPort}`, readFileSync(certificateFile()));
  try {
    for (const [status, code] of [...statuses, [502, grpc.status.UNAVAILABLE] as const]) {
      const metadata = new grpc.Metadata();
      metadata.set('x-asked', String(status));
      const { error } = await say(client, 'hello', {}, metadata);
      assert.equal(error!.code, code, String(status));
      assert.match(error!.details, new RegExp(`^${status} [A-Z]`));
    }
  } finally {
    client.close();
  }
});

test('an answer of ours to a gRPC call is one header block; others keep the status of HTTP', async () => {
  await using sluice = await startConfigured({ file: { ...gone, routes: [{ origin: 'app' }] } });
  const session = connect(sluice.httpsUrl, { ca: readFileSync(certificateFile()) });
  try {
    const ask = async (type: string) => {
      const stream = session.request({ ':method': 'POST', ':path': '/', 'content-type': type });
      const { promise, resolve } = Promise.withResolvers<[IncomingHttpHeaders, boolean]>();
      stream.on('response', (headers, flags) =>
        resolve([headers, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0]),
      );
      stream.resume().end();
      return within(promise, 'a response');
    };
    for (const type of ['application/grpc', 'application/grpc+proto', 'Application/GRPC; x=1']) {
      const [headers, isLast] = await ask(type);
      assert.deepEqual([headers[':status'], headers['grpc-status'], isLast], [200, '14', true]);
      assert.equal(headers['content-type'], 'application/grpc');
      assert.match(String(headers['proxy-status']), /connection_refused/);
    }
    for (const type of ['application/grpc-web', 'application/grpcx', 'application/json']) {
      const [headers] = await ask(type);
      assert.deepEqual([headers[':status'], headers['grpc-status']], [502, undefined]);
    }
  } finally {
    session.destroy();
  }
});
