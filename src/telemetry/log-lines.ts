/** An event of the error log as one line. What peers sent may be in it: no byte of it can forge one. */
import { harmlessJson, harmlessText } from '../base/harmless-text.ts';
import type { LogEvent } from './log-event.ts';

export type ErrorLogFormat = 'text' | 'json';

export function logLine(format: ErrorLogFormat, event: LogEvent): string {
  return format === 'json' ? jsonLine(event) : `sluice: ${textOf(event)}\n`;
}

/** As JSON lines and the admin endpoint have it. */
export function logObject(event: LogEvent) {
  const { timeMs, level, subsystem, code, message, fields, worker, pid, more } = event;
  return {
    time: new Date(timeMs).toISOString(),
    level,
    subsystem,
    code: code === '' ? null : code,
    message,
    fields,
    worker: worker === -1 ? null : worker,
    pid,
    more,
  };
}

function jsonLine(event: LogEvent): string {
  return `${harmlessJson(logObject(event))}\n`;
}

/** For people: what is usual is left out. */
export function textOf({ level, subsystem, message, fields, more }: LogEvent): string {
  const isDetail = level === 'info' || level === 'debug';
  const isMistake = subsystem === 'config' && level === 'warning';
  const before = isDetail ? `${level}: ${subsystem}: ` : isMistake ? 'warning: ' : '';
  const names = isDetail ? Object.entries(fields) : [];
  const values = names.map(([name, value]) => ` ${name}=${value ?? '-'}`).join('');
  const rest = more === 0 ? '' : ` … ${more.toLocaleString('en')} more like it`;
  // Line feeds stay: stacks, and mistakes of a file, have several lines.
  return harmlessText(`${before}${message}${values}${rest}`);
}
