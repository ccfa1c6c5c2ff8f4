/** One of several threads that strike the same keys at the same time; for the test beside it. */
import { parentPort, workerData } from 'node:worker_threads';
import { StrikeRegister } from '../../src/tls/early-data/strike-register.ts';

const { shared, slots, keys, gate, nowMs } = workerData as {
  shared: SharedArrayBuffer;
  slots: number;
  keys: Uint8Array[];
  gate: Int32Array;
  nowMs: number;
};

const register = new StrikeRegister(new Int32Array(shared), slots);
Atomics.add(gate, 0, 1);
while (Atomics.load(gate, 0) < 4);
let first = 0;
for (const key of keys) if (register.strike(key, nowMs) === 'first') first++;
parentPort?.postMessage(first);
