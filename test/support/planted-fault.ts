/**
 * Plants exceptions in the callbacks that native code calls: `src/native/callbacks.ts` is loaded with a
 * word more in it. To be imported before anything of `src/`, or preloaded (`--import`) where the name
 * of the callback, and perhaps how often it throws, stands in the file that PLANTED_FAULT names.
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const CALL = 'return body(...args);';

let planted = '';
let timesLeft = 0;

/** From now on the callback throws; '' for none. */
export function plantFault(name: string, times = Number.POSITIVE_INFINITY): void {
  planted = name;
  timesLeft = times;
}

function look(name: string): void {
  const file = process.env.PLANTED_FAULT;
  if (file !== undefined) {
    const [wanted = '', times = 'Infinity'] = readFileSync(file, 'latin1').trim().split(' ');
    if (wanted !== planted) plantFault(wanted, Number(times));
  }
  if (name !== planted || timesLeft <= 0) return;
  timesLeft--;
  throw new Error(`planted in ${name}`);
}

(globalThis as { plantedFault?: typeof look }).plantedFault = look;

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (!url.endsWith('/src/native/callbacks.ts')) return loaded;
    const source = String(loaded.source);
    if (!source.includes(CALL)) throw new Error('the callback is called in other words');
    return { ...loaded, source: source.replace(CALL, `globalThis.plantedFault(name); ${CALL}`) };
  },
});
