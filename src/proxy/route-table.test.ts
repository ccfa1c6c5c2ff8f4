import assert from 'node:assert/strict';
import test from 'node:test';
import {
  matchEverything,
  plainRoute,
  type RouteMatch,
  type RouteOptions,
} from '../routing/route.ts';
import { keySuffixes } from './route-table.ts';

function routeFor(match: Partial<RouteMatch>, name = 'a'): RouteOptions {
  return { ...plainRoute('app'), name, match: { ...matchEverything, ...match } };
}

const b = { kind: 'exact', text: 'b', ignoreCase: false } as const;
const suffixOf = (route: RouteOptions) => keySuffixes([route])[0]!;
const internal = routeFor({ from: [{ address: '10.0.0.0', bits: 8 }] });

test('routes that the target alone chooses share keys, and the others have their own', () => {
  const hostPattern = '^(.+)\\.example$';
  const notPosts = { not: [{ ...matchEverything, methods: ['POST'], pathPrefix: '/y' }] };
  const byTarget: Partial<RouteMatch>[] = [
    {},
    { hosts: ['a.example'], pathPrefix: '/x' },
    { hostPattern, pathPattern: 'a', ignoreCase: true, scheme: 'https' },
    { methods: ['POST'] },
    notPosts,
  ];
  for (const match of byTarget) assert.equal(suffixOf(routeFor(match)), '');
  const tls = { versions: [], serverNames: [], clientCertificate: true };
  const byOthers: Partial<RouteMatch>[] = [
    { headers: { a: b } },
    { cookies: { a: b } },
    // A key may leave the query out.
    { query: { a: b } },
    { methods: ['GET'] },
    { ports: [8443] },
    { websocket: false },
    { tls },
    { not: [{ ...matchEverything, cookies: { a: b } }] },
  ];
  const own = [internal, ...byOthers.map((match) => routeFor(match))];
  const suffixes = keySuffixes(own);
  assert.equal(new Set(suffixes).size, own.length);
  // Beyond the target, so that purges and writes of it reach them.
  for (const suffix of suffixes) assert.match(suffix, /^\nroute [0-9a-f]{16}$/);
});

test('keys stay a route’s own when others come before it, or it gets another name', () => {
  const moved = keySuffixes([routeFor({ headers: { a: b } }), { ...internal, name: 'b' }]);
  assert.equal(moved[1], suffixOf(internal));
  assert.notEqual(moved[0], moved[1]);
});
