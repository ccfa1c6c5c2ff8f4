/** Times as people read them: `250 ms`, `10.0 s`, `3 min`, `2 h 5 min`, `1 d 3 h`. */

const SECOND_MS = 1_000;
/** From here on nobody wants the seconds. */
const MINUTES_FROM_MS = 120_000;

export function durationText(ms: number): string {
  if (ms < 10 && !Number.isInteger(ms)) return `${ms.toFixed(1)} ms`;
  if (Math.round(ms) < SECOND_MS) return `${Math.round(ms)} ms`;
  if (ms < MINUTES_FROM_MS) return `${(ms / SECOND_MS).toFixed(1)} s`;
  const minutes = Math.round(ms / 60_000);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 1_440) return twoUnits(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
  const hours = Math.round(minutes / 60);
  return twoUnits(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

function twoUnits(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}
