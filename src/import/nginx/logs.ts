/** `access_log` and `log_format`. */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type ForeignFormat, foreignFormat } from '../../config/document/log-names.ts';
import { Draft } from '../draft.ts';
import type { Directive } from './parser.ts';
import type { Scope } from './scope.ts';
import type { NginxServer } from './servers.ts';
import type { NginxState } from './state.ts';

/** Logs of all servers and of single ones, each file once. */
export function importLogs(
  http: Scope,
  servers: readonly NginxServer[],
  state: NginxState,
): Draft[] {
  const logs = new Map<string, Draft>();
  const formats = new Map(http.own('log_format').map((one) => [one.args[0] ?? '', one]));
  for (const { scope, names } of servers) {
    for (const directive of scope.all('access_log')) {
      const isOwn = scope.own('access_log').includes(directive);
      importLog({ directive, formats, hosts: isOwn ? names : [] }, logs, state);
    }
  }
  return [...logs.values()];
}

interface LogPiece {
  readonly directive: Directive;
  readonly formats: ReadonlyMap<string, Directive>;
  readonly hosts: readonly string[];
}

function importLog(
  { directive, formats, hosts }: LogPiece,
  logs: Map<string, Draft>,
  state: NginxState,
): void {
  const { report } = state;
  const [target = '', format = 'combined', ...options] = directive.args;
  if (target === 'off') {
    report.needless(directive, 'sluice writes no log unless it is told to');
    return;
  }
  const where = target === '/dev/stdout' ? '-' : target;
  const isFile = where === '-' || (!where.includes(':') && !where.includes('$'));
  const hasCondition = [format, ...options].some((option) => option.startsWith('if='));
  const path = where === '-' ? '-' : resolve(state.directory, where);
  if (!isFile || hasCondition || (path !== '-' && !existsSync(dirname(path)))) {
    const reason = hasCondition
      ? 'it has a condition'
      : isFile
        ? `there is no ${dirname(path)}`
        : 'no file';
    report.leftOut(directive, { reason, remedy: 'logs: [{target: FILE, format, filter}]' });
    return;
  }
  const log = new Draft().set('target', path, directive);
  const written = formats.get(format);
  const ours = format === 'combined' ? { text: 'combined', without: [] } : formatOf(written);
  if (ours !== null) log.set('format', ours.text, ...(written === undefined ? [] : [written]));
  report.imported(directive);
  const remedy = 'logs: format, with the fields of docs/reference/access-log.md';
  if (written !== undefined && (ours === null || ours.without.length > 0)) {
    const reason = `sluice has no ${ours?.without.join(', ') ?? 'such fields'}`;
    report.partly(written, { reason, remedy });
  } else if (written !== undefined) report.imported(written);
  const before = logs.get(path);
  // One file for several servers is one log.
  if (hosts.length > 0 && before === undefined) log.set('filter', Draft.of({ host: [...hosts] }));
  logs.set(path, before === undefined ? log : new Draft().absorb(before).without('filter'));
}

function formatOf(
  directive: Directive | undefined,
): Pick<ForeignFormat, 'text' | 'without'> | null {
  if (directive === undefined) return null;
  const words = directive.args.slice(1).filter((arg) => !arg.startsWith('escape='));
  return foreignFormat(words.join(''));
}
