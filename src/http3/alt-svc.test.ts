import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALT_SVC_LIFETIME_SECONDS_DEFAULT, type AltSvcOptions, altSvcValue } from './alt-svc.ts';

const usual: AltSvcOptions = {
  mode: 'on',
  publicPort: 0,
  lifetimeSeconds: ALT_SVC_LIFETIME_SECONDS_DEFAULT,
};

for (const [what, options, listenerPort, value] of [
  ['the port of the listener, for a day', {}, 8443, 'h3=":8443"; ma=86400'],
  ['the port that a forward has outside', { publicPort: 443 }, 8443, 'h3=":443"; ma=86400'],
  ['for as long as is said', { lifetimeSeconds: 60 }, 443, 'h3=":443"; ma=60'],
  ['for no time at all', { lifetimeSeconds: 0 }, 443, 'h3=":443"; ma=0'],
  ['nothing where it is off', { mode: 'off' }, 443, null],
  ['clear, also where nobody listens any more', { mode: 'clear' }, 0, 'clear'],
  ['clear, whatever port and lifetime', { mode: 'clear', publicPort: 443 }, 8443, 'clear'],
  ['nothing where nobody listens on UDP', { publicPort: 443 }, 0, null],
] as const) {
  test(`clients are told: ${what}`, () => {
    assert.equal(altSvcValue({ ...usual, ...options }, listenerPort), value);
  });
}
