import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import { decideEarlyData, defaultEarlyDataPolicy } from './early-data.ts';

function request(method: string, more: Partial<RequestHead> = {}): RequestHead {
  return {
    method,
    version: '1.1',
    scheme: 'https',
    authority: 'localhost',
    path: '/',
    fields: new FieldSection(),
    contentLength: 0,
    expectContinue: false,
    upgrade: '',
    ...more,
  };
}

test('after the handshake every request goes on at once', () => {
  for (const method of ['GET', 'POST', 'DELETE', 'PATCH', 'BREW']) {
    assert.equal(decideEarlyData(request(method), false, defaultEarlyDataPolicy), 'forward');
  }
});

test('in early data safe methods go on at once, others wait for the handshake', () => {
  const decide = (head: RequestHead) => decideEarlyData(head, true, defaultEarlyDataPolicy);
  for (const method of ['GET', 'HEAD', 'OPTIONS']) assert.equal(decide(request(method)), 'forward');
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'BREW', 'get']) {
    assert.equal(decide(request(method)), 'hold', method);
  }
});

test('in early data a safe method with content or an upgrade waits, too', () => {
  const decide = (head: RequestHead) => decideEarlyData(head, true, defaultEarlyDataPolicy);
  assert.equal(decide(request('GET', { contentLength: 5 })), 'hold');
  assert.equal(decide(request('GET', { contentLength: -1 })), 'hold');
  assert.equal(decide(request('GET', { upgrade: 'websocket' })), 'hold');
});

test('the policy can refuse with 425 instead of waiting', () => {
  const policy = { unsafeRequests: 'refuse' } as const;
  assert.equal(decideEarlyData(request('POST'), true, policy), 'refuse');
  assert.equal(decideEarlyData(request('GET'), true, policy), 'forward');
  assert.equal(decideEarlyData(request('POST'), false, policy), 'forward');
});
