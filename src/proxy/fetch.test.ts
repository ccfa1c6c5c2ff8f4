import assert from 'node:assert/strict';
import test from 'node:test';
import { type Asked, Facts, Origin, requestHead } from '../../test/support/exchange-parts.ts';
import { SluiceError } from '../base/errors.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { ResponseHead } from '../http/message.ts';
import { Fetch, type FetchHandler } from './fetch.ts';

/** Whoever asked, with what it has heard, in order. */
class Asker implements FetchHandler {
  readonly heard: string[] = [];
  error: SluiceError | null = null;

  onRequestStarted(): void {
    this.heard.push('started');
  }
  onRequestRestart(): void {
    this.heard.push('restart');
  }
  onInformational(status: number): void {
    this.heard.push(`informational ${status}`);
  }
  onHead({ status }: ResponseHead): void {
    this.heard.push(`head ${status}`);
  }
  onContent(bytes: Uint8Array): void {
    this.heard.push(`content ${Buffer.from(bytes)}`);
  }
  onEnd(_trailers: FieldSection | null): void {
    this.heard.push('end');
  }
  onUpgrade({ status }: ResponseHead): void {
    this.heard.push(`upgrade ${status}`);
  }
  onWritable(): void {}
  onError(error: SluiceError): void {
    this.error = error;
  }
}

function ask(origin: Origin, asked: Asked = {}) {
  const asker = new Asker();
  const fetch = new Fetch(origin, requestHead(asked), asker, new Facts());
  fetch.start();
  return { asker, fetch };
}

function failure(retry: 'never' | 'ifReused' | 'always'): SluiceError {
  return new SluiceError('origin-closed', 'it has closed', { blame: 'upstream', retry });
}

test('an answer comes as it is sent, and the group is told once that it is over', () => {
  const origin = new Origin();
  const { asker } = ask(origin);
  origin.asked.answer(200, [], 'here');
  assert.deepEqual(asker.heard, ['started', 'head 200', 'content here', 'end']);
  assert.equal(origin.endedCount, 1);
});

test('a reused connection that breaks before it answers is not the end of a GET', () => {
  const origin = new Origin();
  origin.isReused = true;
  const { asker } = ask(origin);
  origin.asked.fail(failure('ifReused'));
  assert.equal(origin.requests.length, 2);
  origin.asked.answer(200);
  assert.deepEqual(asker.heard, ['started', 'restart', 'started', 'head 200', 'end']);
});

test('a POST that may have been executed is not sent again', () => {
  const origin = new Origin();
  origin.isReused = true;
  origin.others = 1;
  const { asker } = ask(origin, { method: 'POST' });
  origin.asked.fail(failure('ifReused'));
  assert.equal(origin.requests.length, 1);
  assert.equal(asker.error?.code, 'origin-closed');
});

test('a POST that the origin has refused unprocessed is sent again, with its content', () => {
  const origin = new Origin();
  const { asker, fetch } = ask(origin, { method: 'POST', contentLength: -1 });
  fetch.sendContent(Buffer.from('abc'));
  fetch.sendEnd(null);
  origin.asked.fail(failure('always'));
  assert.equal(origin.requests.length, 2);
  assert.equal(origin.asked.content, 'abc');
  assert.deepEqual(asker.heard, ['started', 'restart', 'started']);
});

test('what fails at one server is asked of another, and nothing after an answer has begun', () => {
  const origin = new Origin();
  origin.others = 1;
  const { asker } = ask(origin);
  origin.asked.fail(failure('never'));
  assert.equal(origin.requests.length, 2);
  origin.others = 1;
  origin.asked.begin(200);
  origin.asked.fail(failure('always'));
  assert.equal(origin.requests.length, 2);
  assert.ok(asker.error);
  assert.equal(origin.endedCount, 1);
});

test('a status that may be retried is not seen when another server answers', () => {
  const origin = new Origin();
  origin.retriedStatuses = [503];
  origin.others = 1;
  const { asker } = ask(origin);
  origin.asked.begin(503);
  assert.ok(origin.requests[0]!.isCancelled);
  origin.asked.answer(200);
  assert.deepEqual(asker.heard, ['started', 'restart', 'started', 'head 200', 'end']);
});

test('short content is here before a connection is taken, so that slow clients take none', () => {
  const origin = new Origin();
  const { fetch } = ask(origin, { method: 'PUT', contentLength: 6 });
  fetch.sendContent(Buffer.from('abc'));
  assert.equal(origin.requests.length, 0);
  fetch.sendContent(Buffer.from('def'));
  fetch.sendEnd(null);
  assert.equal(origin.asked.content, 'abcdef');
});

test('what the origin finds too early is sent again when the handshake is complete', () => {
  const origin = new Origin();
  origin.isEarly = true;
  const { asker } = ask(origin);
  origin.asked.answer(425);
  origin.asked.answer(200);
  assert.equal(origin.requests.length, 2);
  assert.deepEqual(asker.heard.slice(-2), ['head 200', 'end']);
});

test('who gives up while no connection is there leaves the queue', () => {
  const origin = new Origin();
  origin.withholds = true;
  const { fetch } = ask(origin);
  fetch.cancel();
  assert.equal(origin.waiting.length, 0);
  assert.equal(origin.endedCount, 1);
});
