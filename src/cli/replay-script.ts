/** Which connection of a capsule is played, and how: `--connection` and `--mode`. */
import { UsageError } from '../base/errors.ts';
import type { Capsule, CapsuleConnection } from '../triage/capsule.ts';
import { suspectedConnection, verbatimScript } from '../triage/replay/from-capsule.ts';
import type { ReplayScript } from '../triage/replay/script.ts';
import type { ActionWords } from './action-words.ts';

/** Throws UsageError when there is nothing to play. */
export function scriptOf(
  capsule: Capsule,
  words: ActionWords,
): { readonly script: ReplayScript; readonly notes: readonly string[] } {
  const connection = connectionOf(capsule, words);
  const { script, notes } = verbatimScript(connection);
  if (script !== null) return { script, notes };
  throw new UsageError(`connection ${connection.id}: ${notes.join('; ')}`, 'name another one');
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
