import assert from 'node:assert/strict';
import test from 'node:test';
import { addressesIn } from './resolver.ts';

const HOSTS = `# comment 1.2.3.4 app
127.0.0.1\tlocalhost  App.Internal
::1 localhost ip6-localhost # app
10.0.0.7 app.internal.
not-an-address app.internal
10.0.0.7 app
`;

test('a hosts file is read as hosts(5) says: several names, any case, comments, both families', () => {
  assert.deepEqual(addressesIn(HOSTS, 'localhost'), ['127.0.0.1', '::1']);
  assert.deepEqual(addressesIn(HOSTS, 'app.internal'), ['127.0.0.1', '10.0.0.7']);
  assert.deepEqual(addressesIn(HOSTS, 'APP.internal.'), ['127.0.0.1', '10.0.0.7']);
  assert.deepEqual(addressesIn(HOSTS, 'app'), ['10.0.0.7']);
  assert.deepEqual(addressesIn(HOSTS, 'internal'), []);
});
