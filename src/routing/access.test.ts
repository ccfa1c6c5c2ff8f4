import assert from 'node:assert/strict';
import test from 'node:test';
import { configuredAuthority } from '../http/authority.ts';
import { FieldSection } from '../http/field-section.ts';
import { AccessList } from './access.ts';
import type { AccessRule } from './route.ts';

const everybody: AccessRule = { effect: 'deny', from: [], methods: [], paths: [] };

function access(...rules: Partial<AccessRule>[]) {
  const list = new AccessList(rules.map((rule) => ({ ...everybody, ...rule })));
  return (path: string, method = 'GET', address = '192.0.2.1') => {
    const common = {
      version: '1.1',
      scheme: 'http',
      authority: configuredAuthority('a.example'),
    } as const;
    const rest = { contentLength: 0, expectContinue: false, upgrade: '' };
    return list.allows({ ...common, ...rest, method, path, fields: new FieldSection() }, address);
  };
}

test('the first rule that fits decides, and without one access is allowed', () => {
  const allows = access(
    { effect: 'allow', from: [{ address: '10.0.0.0', bits: 8 }] },
    { methods: ['POST', 'DELETE'] },
    { paths: ['/admin', '/debug*'] },
  );
  assert.equal(allows('/admin', 'POST', '10.9.9.9'), true);
  assert.equal(allows('/', 'POST'), false);
  assert.equal(allows('/', 'GET'), true);
  assert.equal(allows('/admin/x'), false);
  assert.equal(allows('/administrator'), true);
  assert.equal(allows('/debugger'), false);
});

test('address ranges hold for both families, mapped addresses and UNIX sockets', () => {
  const allows = access(
    { effect: 'allow', from: [{ address: '2001:db8::', bits: 33 }] },
    { effect: 'allow', from: [{ address: '127.0.0.0', bits: 8 }] },
    { effect: 'allow', from: [{ address: '::ffff:10.0.0.0', bits: 104 }] },
    {},
  );
  assert.equal(allows('/', 'GET', '2001:db8:7fff::1'), true);
  assert.equal(allows('/', 'GET', '2001:db8:8000::1'), false);
  assert.equal(allows('/', 'GET', '::ffff:127.0.0.1'), true);
  assert.equal(allows('/', 'GET', '10.255.0.1'), true);
  assert.equal(allows('/', 'GET', '11.0.0.1'), false);
  assert.equal(allows('/', 'GET', 'unix'), true);
  assert.equal(allows('/', 'GET', 'not an address'), false);
});

test('whoever may not GET may not HEAD', () => {
  assert.equal(access({ methods: ['GET'] })('/', 'HEAD'), false);
});

test('a denied path stays denied however it is spelt', () => {
  const allows = access({ paths: ['/admin', '/a b'] });
  const spellings = [
    ...['/%61dmin', '//admin', '/x/../admin', '/x/%2e%2e/admin', '/./admin/', '/admin;a=b'],
    ...['/x/..;/admin', '/x%2f..%2fadmin', '/x\\..\\admin', '/%2561dmin', '/x/..%252fadmin'],
    ...['/admin%2fx', '/admin%00', '/admin%3bx', '/admin?x', '/admin/../x', '/;/admin'],
    ...['/a%20b', '/a%2520b'],
  ];
  for (const path of spellings) assert.equal(allows(path), false, path);
  assert.equal(allows('/x%2fadmin'), true, 'a directory of that name elsewhere is another one');
});

test('a permission for a path is not extended by spelling', () => {
  const allows = access({ effect: 'allow', paths: ['/public'] }, {});
  assert.equal(allows('/public/x'), true);
  assert.equal(allows('/%70ublic/x'), true);
  for (const path of [
    '/public/../admin',
    '/public/..%2fadmin',
    '/public/..;/admin',
    '/public\\..\\x',
  ]) {
    assert.equal(allows(path), false, path);
  }
});
