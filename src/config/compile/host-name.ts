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
  const shown = JSON.stringify(written);
  const bare = /^(?:\w+:\/\/)?([^/:\s]+)(?::\d+)?(?:\/\S*)?$/.exec(written)?.[1];
  const isBeside = bare !== undefined && bare !== written && normalHostPattern(bare) !== null;
  const remedy =
    written === '*'
      ? 'leave it out for every host'
      : isBeside
        ? `write it as ${bare}: a scheme is match.scheme, a port that of a listener, a path path-prefix`
        : 'write it as example.org or *.example.org, in ASCII';
  context.refuse(path, `${shown}: no host name`, remedy);
  return written;
}
