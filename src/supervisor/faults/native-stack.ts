/** The native stack of a process that hangs, or of its core: asked of gdb, when that is installed. */
import { execFile } from 'node:child_process';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import type { IncidentStack } from '../../triage/incident.ts';

/** gdb reads the symbols of Node, which takes seconds. */
const DEBUGGER_TIMEOUT_MS = 10_000;
const STACK_BYTES_MAX = 65_536;
const DEBUGGER_WORDS = ['-batch', '-nx', '-ex', 'set debuginfod enabled off', '-ex', 'bt 64'];

/** Null when there is no gdb, when it may not look, or when it takes too long. Never rejects. */
export function stackOfProcess(pid: number): Promise<IncidentStack | null> {
  return askDebugger('gdb', ['-p', String(pid)]);
}

/** As `stackOfProcess`, of the file that the kernel has left, if it has left one where it says. */
export async function stackOfCore(pid: number): Promise<IncidentStack | null> {
  const core = corePath(pid);
  return core === null ? null : askDebugger('core', [process.execPath, core]);
}

async function askDebugger(
  source: 'gdb' | 'core',
  words: readonly string[],
): Promise<IncidentStack | null> {
  const gdb = findDebugger();
  if (gdb === null) return null;
  const { promise, resolve } = Promise.withResolvers<string>();
  const limits = {
    timeout: DEBUGGER_TIMEOUT_MS,
    maxBuffer: 1 << 22,
    killSignal: 'SIGKILL',
  } as const;
  const child = execFile(gdb, [...DEBUGGER_WORDS, ...words], limits, (_error, stdout) => {
    resolve(stdout);
  });
  child.stdin?.end();
  const frames = (await promise).split('\n').filter((line) => /^#\d+ /.test(line));
  if (frames.length === 0) return null;
  return { source, text: frames.map(withoutArguments).join('\n').slice(0, STACK_BYTES_MAX) };
}

/** What functions were called with may be secret: names and places are enough. */
function withoutArguments(frame: string): string {
  return frame.replace(/ \(.*\)(?= (?:at|from) |$)/, ' ()');
}

function findDebugger(): string | null {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(directory, 'gdb');
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Look further.
    }
  }
  return null;
}

/** Where core(5) puts it; null when it is piped to a program, or not there. */
function corePath(pid: number): string | null {
  try {
    const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8').trim();
    if (pattern.startsWith('|') || /%[^pe%]/.test(pattern)) return null;
    const usesPid = readFileSync('/proc/sys/kernel/core_uses_pid', 'utf8').trim() === '1';
    const name = pattern
      .replaceAll('%p', String(pid))
      .replaceAll('%e', 'node')
      .replaceAll('%%', '%');
    const full = usesPid && !pattern.includes('%p') ? `${name}.${pid}` : name;
    const path = isAbsolute(full) ? full : join(process.cwd(), full);
    return statSync(path).isFile() ? path : null;
  } catch {
    return null;
  }
}
