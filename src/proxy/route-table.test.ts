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

const suffixOf = (route: RouteOptions) => keySuffixes([route])[0]!;
const internal = routeFor({ from: [{ address: '10.0.0.0', bits: 8 }] });

test('routes that the target alone chooses share keys, and the others have their own', () => {
  for (const match of [{}, { hosts: ['a.example'], pathPrefix: '/x' }, { methods: ['POST'] }]) {
    assert.equal(suffixOf(routeFor(match)), '');
  }
  const own = [internal, routeFor({ headers: { a: 'b' } }), routeFor({ methods: ['GET'] })];
  const suffixes = keySuffixes(own);
  assert.equal(new Set(suffixes).size, 3);
  // Beyond the target, so that purges and writes of it reach them.
  for (const suffix of suffixes) assert.match(suffix, /^\nroute [0-9a-f]{16}$/);
});

test('keys stay a route’s own when others come before it, or it gets another name', () => {
  const moved = keySuffixes([routeFor({ headers: { a: 'b' } }), { ...internal, name: 'b' }]);
  assert.equal(moved[1], suffixOf(internal));
  assert.notEqual(moved[0], moved[1]);
});
