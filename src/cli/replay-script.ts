/** Which connection of an incident is played, and how: `--connection` and `--mode`. */
import { UsageError } from '../base/errors.ts';
import { type Incident, type IncidentConnection, suspectedRequest } from '../triage/incident.ts';
import { suspectedConnection, verbatimScript } from '../triage/replay/from-incident.ts';
import { reenactedScript } from '../triage/replay/re-enactment.ts';
import { requestScript } from '../triage/replay/request-script.ts';
import type { ReplayScript } from '../triage/replay/script.ts';
import type { ActionArguments } from './action-arguments.ts';

/** Throws UsageError when there is nothing to play. */
export function scriptOf(
  incident: Incident,
  words: ActionArguments,
): { readonly script: ReplayScript; readonly notes: readonly string[] } {
  const request = suspectedRequest(incident);
  if (request !== undefined && !words.flags.has('connection') && !words.flags.has('mode')) {
    const { script, notes } = requestScript(request);
    if (script !== null) return { script, notes };
    throw new UsageError(`request ${request.number}: ${notes.join('; ')}`, 'name another incident');
  }
  const connection = connectionOf(incident, words);
  const { script, notes } = inMode(connection, words.flags.get('mode'));
  if (script !== null) return { script, notes };
  throw new UsageError(`connection ${connection.id}: ${notes.join('; ')}`, 'name another one');
}

/** By default byte for byte, unless some of what was sent is not known: then re-enacted. */
function inMode(connection: IncidentConnection, mode: string | undefined) {
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

function connectionOf(incident: Incident, { flags }: ActionArguments): IncidentConnection {
  const given = flags.get('connection');
  const found =
    given === undefined
      ? suspectedConnection(incident)
      : incident.connections.find(({ id }) => String(id) === given);
  if (found != null) return found;
  if (incident.connections.length === 0) {
    throw new UsageError('the incident has no connection', 'name another incident');
  }
  const ids = incident.connections.map(({ id }) => id).join(', ');
  throw new UsageError(
    given === undefined ? 'no connection of a client' : `--connection ${given}: there is none`,
    `write --connection ID; there is ${ids}`,
  );
}
