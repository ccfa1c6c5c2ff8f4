import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { configuredAuthority } from '../../http/authority.ts';
import type { TlsFacts } from '../../http/exchange.ts';
import { FieldSection } from '../../http/field-section.ts';
import type { RequestHead } from '../../http/message.ts';
import { defaultEarlyDataPolicy, EarlyDataPolicies, type EarlyDataPolicy } from './early-data.ts';

function request(method: string, more: Partial<RequestHead> = {}): RequestHead {
  return {
    method,
    version: '1.1',
    scheme: 'https',
    authority: configuredAuthority('localhost'),
    path: '/',
    fields: new FieldSection(),
    contentLength: 0,
    expectContinue: false,
    upgrade: '',
    ...more,
  };
}

const early = { early: true, tls: null };

function deciderOf(policy: Partial<EarlyDataPolicy> = {}) {
  const policies = new EarlyDataPolicies([{ ...defaultEarlyDataPolicy, ...policy }], () => [0]);
  return (head: RequestHead) => policies.decide(head, early);
}

const path = (text: string) => request('GET', { path: text });

test('after the handshake every request goes on at once', () => {
  const nothing = { ...defaultEarlyDataPolicy, methods: [], query: false, excludedPaths: ['/*'] };
  const policies = new EarlyDataPolicies([nothing], () => [0]);
  for (const method of ['GET', 'POST', 'DELETE', 'PATCH', 'BREW']) {
    assert.equal(policies.decide(request(method), { early: false, tls: null }), 'forward');
  }
});

describe('in early data, when nothing else was said', () => {
  const decide = deciderOf();

  test('safe methods go on at once, others wait for the handshake', () => {
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      assert.equal(decide(request(method)), 'forward');
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'BREW', 'get']) {
      assert.equal(decide(request(method)), 'hold', method);
    }
  });

  test('a safe method with content or an upgrade waits, too', () => {
    assert.equal(decide(request('GET', { contentLength: 5 })), 'hold');
    assert.equal(decide(request('GET', { contentLength: -1 })), 'hold');
    assert.equal(decide(request('GET', { upgrade: 'websocket' })), 'hold');
  });

  test('a query is no reason to wait', () => {
    assert.equal(decide(path('/search?q=1')), 'forward');
  });
});

describe('in early data a policy', () => {
  test('names the methods that go on', () => {
    const decide = deciderOf({ methods: ['GET', 'POST'] });
    assert.equal(decide(request('GET')), 'forward');
    assert.equal(decide(request('POST', { contentLength: 5 })), 'forward');
    assert.equal(decide(request('HEAD')), 'hold');
    assert.equal(decide(request('GET', { contentLength: 5 })), 'hold');
  });

  test('may keep back whatever has a query', () => {
    const decide = deciderOf({ query: false });
    assert.equal(decide(path('/search')), 'forward');
    assert.equal(decide(path('/search?q=1')), 'hold');
    assert.equal(decide(path('/search?')), 'hold');
  });

  test('names paths that wait, however they are spelled', () => {
    const decide = deciderOf({ excludedPaths: ['/buy', '/x*'] });
    for (const text of ['/buy', '/buy/now', '/b%75y', '/a/../buy', '/x', '/xyz?q', '//buy']) {
      assert.equal(decide(path(text)), 'hold', text);
    }
    for (const text of ['/', '/buyer', '/a/buy', '/a?/buy']) {
      assert.equal(decide(path(text)), 'forward', text);
    }
  });

  test('has 425 for the rest, instead of waiting', () => {
    const decide = deciderOf({ otherwise: 'too-early' });
    assert.equal(decide(request('POST')), 'refuse');
    assert.equal(decide(request('GET', { upgrade: 'websocket' })), 'refuse');
    assert.equal(decide(request('GET')), 'forward');
  });

  test('may send everything on, but for what becomes a tunnel', () => {
    const decide = deciderOf({ otherwise: 'forward', methods: [] });
    assert.equal(decide(request('POST', { contentLength: -1 })), 'forward');
    assert.equal(decide(request('GET', { upgrade: 'websocket' })), 'hold');
  });
});

test('the policy is that of the host which the connection was made for', () => {
  const strict = { ...defaultEarlyDataPolicy, methods: [], otherwise: 'too-early' } as const;
  const facts = (host: number) => ({ early: true, tls: { host } as TlsFacts });
  const policies = new EarlyDataPolicies([defaultEarlyDataPolicy, strict], (authority) => [
    authority.host === 'strict.test' ? 1 : 0,
  ]);
  const get = (authority: string) => request('GET', { authority: configuredAuthority(authority) });
  assert.equal(policies.decide(get('open.test'), facts(0)), 'forward');
  assert.equal(policies.decide(get('strict.test'), facts(1)), 'refuse');
  assert.equal(policies.decide(get('strict.test'), facts(0)), 'refuse', 'asked over another host');
  assert.equal(policies.decide(get('open.test'), facts(1)), 'refuse');
});
