/** Names of hosts in a configuration, by the reader that is used for what peers send. */
import { normalHostPattern } from '../../base/host-names.ts';
import type { KeyPath } from '../document/diagnostic.ts';
import type { CompileContext } from './context.ts';

/** The normal form of a name, or of one behind `*.`; what is neither is refused. */
export function hostName(
  written: string,
  path: KeyPath,
  context: Pick<CompileContext, 'refuse'>,
): string {
  const name = normalHostPattern(written);
  if (name !== null) return name;
  context.refuse(path, 'no host name', 'write it as example.org or *.example.org, in ASCII');
  return written;
}
