/**
 * Faults in the middle of a response, planted into the program itself by --danger-module: proofs that
 * an incident names the request. Nothing of the program loads this by itself. The origin chooses, by a
 * field `X-Planted` of its response.
 */
import { Delivery } from '../../src/proxy/reply/delivery.ts';

const faults: Readonly<Record<string, () => void>> = {
  throws() {
    throw new RangeError('planted: redis://user:hunter2@cache.example is too far');
  },
  dies() {
    process.kill(process.pid, 'SIGSEGV');
    // The signal may come to another thread: this one must not go on.
    for (;;);
  },
  hangs() {
    for (;;);
  },
};

const { sendOriginHead } = Delivery.prototype;
Delivery.prototype.sendOriginHead = function planted(this: Delivery, response, storing): void {
  faults[response.fields.first('x-planted') ?? '']?.();
  sendOriginHead.call(this, response, storing);
};

export const features = [];
