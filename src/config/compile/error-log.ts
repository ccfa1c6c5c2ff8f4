/** The section `error-log`, in so far as no flag says the same. */
import type { LogRotation } from '../../telemetry/log-options.ts';
import type { ErrorLogEntry } from '../schema/error-log.ts';
import type { CompileContext } from './context.ts';
import { compileRotation } from './logs.ts';

export function compileErrorLog(
  { rotate, target }: ErrorLogEntry,
  context: CompileContext,
): LogRotation | null {
  if (rotate === undefined) return null;
  if (target === undefined || target === null || target === '-') {
    context.refuse(['rotate'], 'it is not in a file', 'write target: FILE, or remove it');
  }
  return compileRotation(rotate, context);
}
