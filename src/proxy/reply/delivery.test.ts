import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type Asked,
  Client,
  Facts,
  requestHead,
  responseHead,
  Scene,
} from '../../../test/support/exchange-parts.ts';
import { SluiceError } from '../../base/errors.ts';
import { ExchangeRecord } from '../exchange-record.ts';
import { RequestContent } from '../request/request-content.ts';
import { Delivery } from './delivery.ts';

const lost = new SluiceError('origin-unreachable', 'nobody is there', { blame: 'upstream' });

function deliver(scene: Scene, asked: Asked = {}) {
  const { environment } = scene;
  const [head, sender, facts] = [requestHead(asked), new Client(), new Facts()];
  const record = new ExchangeRecord({
    plugins: null,
    ...{ environment, head, facts },
    startedMs: scene.nowMs,
    slot: -1,
  });
  const content = new RequestContent(sender, head.contentLength !== 0);
  const delivery = new Delivery({
    environment,
    head,
    sender,
    facts,
    record,
    content,
    plugins: null,
  });
  return { client: sender, content, delivery };
}

test('a failure before the head becomes an answer that says why', () => {
  using scene = new Scene();
  const { client, delivery } = deliver(scene);
  delivery.fail(lost);
  assert.equal(client.status, 502);
  assert.match(client.field('proxy-status'), /^sluice; error=/);
  assert.ok(client.isComplete);
  assert.deepEqual(scene.records, [{ status: 502, cache: 'none', errorCode: lost.code }]);
});

test('a failure after the head breaks the response off, so that nobody takes it for complete', () => {
  using scene = new Scene();
  const { client, delivery } = deliver(scene);
  delivery.forward = 'uri-miss';
  delivery.sendOriginHead(responseHead(200), 'store');
  delivery.sendContent(Buffer.from('half'));
  delivery.fail(lost);
  assert.equal(client.error, lost);
  assert.ok(!client.isComplete);
  assert.match(client.field('cache-status'), /fwd=uri-miss; stored/);
});

test('an exchange is noted once, whatever is said of it afterwards', () => {
  using scene = new Scene();
  const { delivery } = deliver(scene);
  delivery.answer(404, []);
  delivery.finish('connection-closed');
  assert.deepEqual(scene.records, [{ status: 404, cache: 'none', errorCode: '' }]);
  assert.ok(delivery.isOver);
});

test('an answer of ours ends the request, and what the client has not sent is dropped', () => {
  using scene = new Scene();
  const { client, content, delivery } = deliver(scene, { method: 'POST', contentLength: 10 });
  assert.ok(delivery.wantsRequest);
  delivery.answer(405, [['allow', 'GET']]);
  assert.equal(client.field('allow'), 'GET');
  assert.ok(client.isDiscarding && content.isDropped);
  assert.ok(!delivery.wantsRequest);
});

test('what has come in full is not dropped', () => {
  using scene = new Scene();
  const { client, content, delivery } = deliver(scene, { method: 'POST', contentLength: 10 });
  content.onEnd(null);
  delivery.answer(405, []);
  assert.ok(!client.isDiscarding);
});

test('HEAD is answered without content, a gRPC call with a status that its clients read', () => {
  using scene = new Scene();
  const head = deliver(scene, { method: 'HEAD' });
  head.delivery.answer(404, []);
  assert.deepEqual([head.client.status, head.client.content], [404, '']);
  const fields = ['content-type', 'application/grpc', 'te', 'trailers'];
  const call = deliver(scene, { method: 'POST', version: '2', fields });
  call.delivery.fail(lost);
  assert.equal(call.client.status, 200);
  assert.notEqual(call.client.field('grpc-status'), '');
});
