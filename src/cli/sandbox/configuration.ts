/** A configuration file as options for a sandbox. */
import { readSource } from '../../config/document/source.ts';
import { loadConfiguration } from '../../config/load.ts';
import { stateDirectory } from '../../config/self-signed-store.ts';
import type { JsonValue } from '../../triage/incident.ts';
import { incidentConfiguration } from '../../triage/redaction.ts';

/** Without secrets, as an incident has them. Throws UsageError. */
export async function optionsOfFile(file: string): Promise<JsonValue> {
  const { options } = await loadConfiguration({
    flags: new Map(),
    source: readSource(file, process.cwd()),
    command: 'run',
    isCheck: true,
    nowMs: Date.now(),
    stateDirectory: stateDirectory(process.env),
    demoOrigin: null,
    warn() {},
  });
  return incidentConfiguration(options).options;
}
