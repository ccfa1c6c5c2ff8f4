/** Which connection of a capsule is played, and how: `--connection` and `--mode`. */
import { UsageError } from '../base/errors.ts';
import type { Capsule, CapsuleConnection } from '../triage/capsule.ts';
import { suspectedConnection, verbatimScript } from '../triage/replay/from-capsule.ts';
import { reenactedScript } from '../triage/replay/re-enactment.ts';
import type { ReplayScript } from '../triage/replay/script.ts';
import type { ActionWords } from './action-words.ts';

/** Throws UsageError when there is nothing to play. */
export function scriptOf(
  capsule: Capsule,
  words: ActionWords,
): { readonly script: ReplayScript; readonly notes: readonly string[] } {
  const connection = connectionOf(capsule, words);
  const { script, notes } = inMode(connection, words.flags.get('mode'));
  if (script !== null) return { script, notes };
  throw new UsageError(`connection ${connection.id}: ${notes.join('; ')}`, 'name another one');
}

/** By default octet for octet, unless some of what was sent is not known: then re-enacted. */
function inMode(connection: CapsuleConnection, mode: string | undefined) {
  if (mode === 'verbatim') return verbatimScript(connection);
  if (mode === 're-enacted') return reenactedScript(connection);
  if (mode !== undefined) {
    throw new UsageError(
      `--mode ${JSON.stringify(mode)}: there is no such mode`,
      'write --mode verbatim or --mode re-enacted',
    );
  }
  const verbatim = verbatimScript(connection);
  if (verbatim.script !== null && verbatim.notes.length === 0) return verbatim;
  const reenacted = reenactedScript(connection);
  return reenacted.script === null ? verbatim : reenacted;
}

function connectionOf(capsule: Capsule, { flags }: ActionWords): CapsuleConnection {
  const given = flags.get('connection');
  const found =
    given === undefined
      ? suspectedConnection(capsule)
      : capsule.connections.find(({ id }) => String(id) === given);
  if (found != null) return found;
  if (capsule.connections.length === 0) {
    throw new UsageError('the capsule has no connection', 'name another capsule');
  }
  const ids = capsule.connections.map(({ id }) => id).join(', ');
  throw new UsageError(
    given === undefined ? 'no connection of a client' : `--connection ${given}: there is none`,
    `write --connection ID; there is ${ids}`,
  );
}
