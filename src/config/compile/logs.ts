// biome-ignore-all lint/suspicious/noTemplateCurlyInString: fields of a format.
/** The section `logs`. */
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { accessLogFields, logFieldNamed, namesInFormat } from '../../telemetry/access-log-line.ts';
import {
  everyExchange,
  isWritten,
  type LogFilter,
  type LogOptions,
  type LogRotation,
  type PossibleLog,
  plainLog,
  type StatusRange,
} from '../../telemetry/log-options.ts';
import { namedLogFields } from '../../telemetry/named-log-fields.ts';
import { foreignFormat, foreignLogField } from '../document/log-names.ts';
import type { LogsEntry } from '../schema/logs.ts';
import { nearestWord } from '../suggestion.ts';
import type { CompileContext } from './context.ts';
import { hostName } from './host-name.ts';

type LogEntry = LogsEntry[number];

const KEEP_DEFAULT = 7;

export function compileLogs(entries: LogsEntry, context: CompileContext): LogOptions[] {
  const logs = entries.map((entry, i) => compileLog(entry, context.below(i)));
  refuseTwoRotations(logs, context);
  return logs.filter(isWritten);
}

function compileLog(entry: LogEntry, context: CompileContext): PossibleLog {
  const { target, type = 'access', fields = [], sample = 1 } = entry;
  const { format = type === 'access' ? 'combined' : 'json' } = entry;
  if (type === 'access') refuseUnknownFields(format, context);
  else refuseRequestKeys(entry, context);
  fields.forEach((name, i) => {
    refuseUnknownField(name, ['fields', i], context);
  });
  if (fields.length > 0 && format !== 'json') {
    context.refuse(['fields'], 'only for format: json', 'write format: json');
  }
  if (target !== '-' && target !== null) refuseUnwritable(target, context);
  if (target === '-' && entry.rotate !== undefined) {
    context.refuse(['rotate'], 'standard output is no file', 'remove it');
  }
  const filter = compileFilter(entry.filter ?? {}, context);
  const rotate = entry.rotate === undefined ? null : compileRotation(entry.rotate, context);
  return { ...plainLog, target, type, format, fields, sample, filter, rotate };
}

function compileFilter(entry: NonNullable<LogEntry['filter']>, context: CompileContext): LogFilter {
  return {
    statuses: (entry.status ?? []).map(statusRange),
    hosts: (entry.host ?? []).map((name, i) => hostName(name, ['filter', 'host', i], context)),
    pathPrefix: entry['path-prefix'] ?? everyExchange.pathPrefix,
    methods: entry.method ?? [],
    slowerThanMs: entry['slower-than'] ?? everyExchange.slowerThanMs,
    cache: entry.cache ?? [],
  };
}

/** From `404`, `4xx` or `400-403`, which the schema has seen to. */
function statusRange(written: string): StatusRange {
  if (written.endsWith('xx')) {
    const from = Number(written[0]) * 100;
    return { from, to: from + 99 };
  }
  const [from, to = from] = written.split('-').map(Number);
  return { from: from!, to: to! };
}

export function compileRotation(
  entry: NonNullable<LogEntry['rotate']>,
  context: CompileContext,
): LogRotation {
  const { size: sizeBytes = 0, every: everyMs = 0, keep = KEEP_DEFAULT, gzip = false } = entry;
  if (sizeBytes === 0 && everyMs === 0) {
    context.refuse(['rotate'], 'neither size nor every', 'write size: 100MiB or every: 1d');
  }
  return { sizeBytes, everyMs, keep, gzip };
}

function refuseUnknownFields(format: string, context: CompileContext): void {
  if (format === 'combined' || format === 'json') return;
  const foreign = foreignFormat(format);
  if (foreign !== null) {
    const { server, text, without } = foreign;
    const none = without.length === 0 ? '' : `; sluice has none for ${without.join(', ')}`;
    const problem = `these are names of ${server}'s log${none}`;
    context.refuse(['format'], problem, `write '${text}'`);
    return;
  }
  const names = namesInFormat(format);
  if (names.length === 0) {
    const nearest = nearestWord(format, ['combined', 'json']);
    const remedy = nearest ?? '${remote} ${status}';
    context.refuse(['format'], 'there is no field in it', `write ${remedy}`);
  }
  for (const name of names) refuseUnknownField(name, ['format'], context);
}

function refuseUnknownField(
  name: string,
  path: readonly (string | number)[],
  context: CompileContext,
): void {
  if (logFieldNamed(name) !== undefined) return;
  const shown = JSON.stringify(name);
  const known = accessLogFields.map((one) => one.name);
  const written = (field: string) => (path[0] === 'format' ? `\${${field}}` : field);
  const foreign = foreignLogField(name);
  if (foreign !== undefined && foreign.ours !== '') {
    const remedy = `write ${written(foreign.ours)}`;
    context.refuse(path, `there is no field ${shown}: that is ${foreign.server}'s name`, remedy);
    return;
  }
  const nearest = foreign === undefined ? nearestWord(name, known) : undefined;
  const named = namedLogFields.map(({ prefix }) => `${prefix}NAME`);
  const remedy =
    nearest === undefined
      ? `the fields are ${[...known, ...named].join(', ')}`
      : `write ${written(nearest)}`;
  const whose = foreign === undefined ? '' : `: ${foreign.server} has one, sluice has none`;
  context.refuse(path, `there is no field ${shown}${whose}`, remedy);
}

function refuseRequestKeys(entry: LogEntry, context: CompileContext): void {
  for (const key of ['fields', 'filter'] as const) {
    if (entry[key] === undefined) continue;
    context.refuse([key], 'only for logs of requests', 'remove it');
  }
  if (entry.format === undefined || entry.format === 'json') return;
  context.refuse(['format'], 'lines about handshakes are JSON', 'remove it');
}

/** What a start would meet: the file is not made here. */
function refuseUnwritable(target: string, context: CompileContext): void {
  try {
    accessSync(existsSync(target) ? target : dirname(target), constants.W_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const remedy = 'name a file that this user may write';
    context.refuse(['target'], `cannot be written (${code})`, remedy);
  }
}

/** Each would move the other's file away. */
function refuseTwoRotations(logs: readonly PossibleLog[], context: CompileContext): void {
  const first = new Map<string, number>();
  for (const [i, { target, rotate }] of logs.entries()) {
    if (target === null || rotate === null) continue;
    const other = first.get(target);
    if (other === undefined) first.set(target, i);
    else context.refuse([i, 'rotate'], `logs[${other}] rotates this file`, 'remove one of them');
  }
}
