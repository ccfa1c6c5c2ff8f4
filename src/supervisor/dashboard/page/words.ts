/** Numbers as the page writes them. */
import { quantile } from '../../../telemetry/quantile.ts';

export function short(number: number): string {
  if (number >= 10_000) return `${Math.round(number / 1000)} k`;
  const isWhole = number >= 100 || Number.isInteger(number);
  return isWhole ? String(Math.round(number)) : number.toFixed(1);
}

export function spanText(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor((seconds / 3600) % 24);
  const minutes = Math.floor((seconds / 60) % 60);
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min` : `${seconds} s`;
}

/** A quantile of times, in seconds. */
export interface TimeBound {
  /** The last bound when it is beyond it; 0 without any. */
  readonly seconds: number;
  readonly isBeyond: boolean;
}

export function timeBound(
  durations: readonly number[],
  bounds: readonly number[],
  fraction: number,
): TimeBound {
  const seconds = quantile(durations, bounds, fraction) ?? 0;
  const isBeyond = seconds === Number.POSITIVE_INFINITY;
  return { seconds: isBeyond ? (bounds.at(-1) ?? 0) : seconds, isBeyond };
}
