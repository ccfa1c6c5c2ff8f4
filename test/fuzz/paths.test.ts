// Invariant: no way to write a path that some kind of origin reads as a denied one is allowed.
import assert from 'node:assert/strict';
import { posix } from 'node:path';
import test from 'node:test';
import { configuredAuthority } from '../../src/http/authority.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import type { RequestHead } from '../../src/http/message.ts';
import { AccessList } from '../../src/routing/access.ts';
import { matchEverything } from '../../src/routing/route.ts';
import { Router } from '../../src/routing/router.ts';
import fc from '../support/fast-check.ts';

function decoded(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

const withoutQuery = (path: string) => path.replace(/[?#].*$/s, '');

/** Written apart from the code under test: how servers come from a target to a path. */
const origins: Record<string, (target: string) => string> = {
  'compares strings': (target) => withoutQuery(target),
  'decodes and compares': (target) => decoded(withoutQuery(target)),
  'merges slashes and compares': (target) => decoded(withoutQuery(target)).replace(/\/+/g, '/'),
  'follows the URL standard': (target) => new URL(`http://a${target}`).pathname,
  'follows it and decodes': (target) => decoded(new URL(`http://a${target}`).pathname),
  'maps to files': (target) => posix.normalize(decoded(withoutQuery(target))),
  'maps to files of Windows': (target) =>
    posix.normalize(decoded(withoutQuery(target)).replaceAll('\\', '/')),
  'decodes twice and maps to files': (target) =>
    posix.normalize(decoded(decoded(withoutQuery(target)))),
  'drops parameters first': (target) =>
    posix.normalize(decoded(withoutQuery(target).replace(/;[^/]*/g, ''))),
  'decodes, then drops parameters': (target) =>
    posix.normalize(decoded(withoutQuery(target)).replace(/;[^/]*/g, '')),
  'ends at a NUL': (target) => posix.normalize(decoded(withoutQuery(target)).replace(/\0.*$/s, '')),
};

const isAdmin = (path: string) => /^\/admin(?:\/|$)/.test(path);

const pieces = fc.constantFrom(
  ...['admin', '%61dmin', 'adm%69n', '%2561dmin', 'x', 'public', 'Admin', 'administrator', '*'],
  ...['/', '//', '%2f', '%2F', '%252f', '\\', '%5c', '.', '..', '%2e', '%2E%2e', '.%2e', '%252e'],
  ...[';', ';a=b', '%3b', '..;', '%00', '?', '%3f', '%23', '%', '%zz', '+', 'é'],
);
const targets = fc.array(pieces, { maxLength: 9 }).map((all) => `/${all.join('')}`);

function requestFor(path: string): RequestHead {
  const common = {
    method: 'GET',
    version: '1.1',
    scheme: 'http',
    authority: configuredAuthority('a'),
  } as const;
  const rest = { contentLength: 0, expectContinue: false, upgrade: '' };
  return { ...common, ...rest, path, fields: new FieldSection() };
}

const access = new AccessList([{ effect: 'deny', from: [], methods: [], paths: ['/admin'] }]);
const permission = new AccessList([
  { effect: 'allow', from: [], methods: [], paths: ['/public'] },
  { effect: 'deny', from: [], methods: [], paths: [] },
]);
const router = new Router([
  { match: { ...matchEverything, pathPrefix: '/admin' }, target: { name: 'admin' } },
  { match: matchEverything, target: { name: 'rest' } },
]);

test('a denial holds for every origin', () => {
  fc.assert(
    fc.property(targets, (target) => {
      const readers = Object.entries(origins).filter(([, read]) => isAdmin(read(target)));
      if (readers.length === 0) return;
      const names = readers.map(([name]) => name).join(', ');
      assert.ok(!access.allows(requestFor(target), '192.0.2.1'), `${target}: ${names}`);
      assert.ok(!permission.allows(requestFor(target), '192.0.2.1'), `${target}: ${names}`);
      const route = router.find(requestFor(target), {
        remoteAddress: '192.0.2.1',
        localPort: 443,
        tls: null,
      });
      const isSafe = typeof route === 'string' || route.name === 'admin';
      assert.ok(isSafe, `${target} takes the other route: ${names}`);
    }),
    { numRuns: 20_000 },
  );
});
