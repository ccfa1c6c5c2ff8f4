import assert from 'node:assert/strict';
import test from 'node:test';
import { portsIn } from './absent-origins.ts';

test('of the kernel’s table those ports are taken at which something listens', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0100007F:0BB8 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 2
  10: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00
`;
  assert.deepEqual(portsIn(table), [8080, 80]);
});
