import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { InfoMoment } from '../../src/native/info-observer.ts';
import { featureNamed, featureTable, isOn } from '../../src/tls/features.ts';
import { clientContext, liveHandles, obtainSession, Pair, serverContext } from './wire.ts';

after(() => assert.deepEqual(liveHandles(), {}, 'every native handle was freed'));

describe('the table of features', () => {
  test('names each once, in lower case with hyphens, with a sentence', () => {
    const names = featureTable.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const { name, summary } of featureTable) {
      assert.match(name, /^[a-z][a-z0-9-]*$/);
      assert.match(summary, /^[A-Z].*\.$/);
    }
  });

  test('a switch overrides the default, and says nothing about others', () => {
    assert.equal(isOn('early-data', {}), true);
    assert.equal(isOn('early-data', { 'early-data': false }), false);
    assert.equal(isOn('early-data', { 'alpn-h2': false }), true);
    assert.equal(featureNamed('no-such-feature'), undefined);
  });
});

describe('without session tickets', () => {
  for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
    test(`${maxVersion}: every handshake is a full one, old tickets or not`, () => {
      using before = serverContext({ groups: 'X25519:P-256' });
      using server = serverContext({ groups: 'X25519:P-256', tickets: false });
      using client = clientContext({ groups: 'X25519:P-256', maxVersion });
      using old = obtainSession(before, client);
      const earlyData = Buffer.from('GET / HTTP/1.1\r\n\r\n');
      const options = maxVersion === 'TLSv1.3' ? { session: old, earlyData } : { session: old };
      using pair = new Pair(server, client, options).settle();
      assert.equal(pair.server.record.outcome, 'complete');
      assert.equal(pair.server.record.resumed, false);
      assert.notEqual(pair.server.record.earlyData, 'accepted');
      assert.throws(() => pair.takeSession(), /holds no session/);
    });
  }
});

test('an observer inside OpenSSL sees one handshake done twice; the record is one', () => {
  const moments: InfoMoment[] = [];
  const inside = { name: 'inside', observe: (moment: InfoMoment) => moments.push(moment) };
  using server = serverContext({ infoObservers: [inside] });
  using client = clientContext();
  using pair = new Pair(server, client).settle();
  assert.equal(pair.server.record.outcome, 'complete');
  assert.equal(moments.filter((moment) => moment === 'handshake-done').length, 2);
  assert.equal(moments[0], 'handshake-start');
});

test('an observer inside OpenSSL can ask for the group where there is a session', () => {
  const seen = new Set<string>();
  const inside = {
    name: 'inside',
    observe(moment: InfoMoment, _value: number, scene: { unguardedGroup: string }) {
      if (moment === 'handshake-done') seen.add(scene.unguardedGroup);
    },
  };
  using server = serverContext({ infoObservers: [inside], groups: 'X25519' });
  using client = clientContext({ groups: 'X25519' });
  using pair = new Pair(server, client).settle();
  assert.equal(pair.server.record.group, 'x25519');
  assert.deepEqual([...seen], ['x25519']);
});
