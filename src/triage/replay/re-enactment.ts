/**
 * From what an incident holds of a connection to a script that a client with keys of its own plays:
 * for what was sealed, of which sizes and times are known, and no more.
 */
import { ExtensionType } from '../../tls/client-hello.ts';
import type { IncidentConnection } from '../incident.ts';
import { type HelloModel, readHello } from '../reduce/hello-model.ts';
import { type NoScript, REPLAY_DELAY_MS_MAX, type ScriptOfConnection } from './from-incident.ts';
import type { ReplayFlight, SizedWrite } from './script.ts';

const APPLICATION_DATA = 23;
/** Bytes of a sealed record beyond its content: the type, and the tag (RFC 8446 §5.2). */
const SEAL_BYTES = 17;
const END_OF_EARLY_DATA_BYTES = 4;
const TLS13 = 0x0304;

export function reenactedScript(connection: IncidentConnection): ScriptOfConnection | NoScript {
  const { id } = connection;
  const none = (why: string): NoScript => ({ connection: id, script: null, notes: [why] });
  const model = readHello(headOf(connection));
  if (model === null) return none('the ClientHello is not whole, so it cannot be re-enacted');
  if (!offersTls13(model)) {
    return none(
      'a client of TLS 1.2 or older is not re-enacted; its ClientHello is played verbatim',
    );
  }
  const resumes = (model.extensions ?? []).some(({ type }) => type === ExtensionType.preSharedKey);
  const { earlyData, applicationData } = sealedOf(connection);
  const first: ReplayFlight = {
    kind: 'client-hello',
    template: templateOf(connection, model).toString('base64'),
    writes: firstWrites(connection),
    earlyData: resumes ? earlyData : [],
    resumes,
  };
  return {
    connection: id,
    script: {
      mode: 're-enacted',
      flights: [first, { kind: 'finish', applicationData }],
      end: 'wait',
    },
    notes: notesOf(connection, resumes, earlyData.length > 0),
  };
}

function notesOf(connection: IncidentConnection, resumes: boolean, isEarly: boolean): string[] {
  const notes = ['random, session identifier and shares of keys are new'];
  if (resumes) notes.push('the ticket is a new one of this server, of the same kind');
  if (isEarly)
    notes.push('early data is a request of the same sizes, because its bytes are not recorded');
  if (connection.isCut) notes.push('the recording was cut: something may be missing');
  return notes;
}

function offersTls13({ extensions }: HelloModel): boolean {
  const versions = extensions?.find(({ type }) => type === ExtensionType.supportedVersions);
  const { content } = versions ?? {};
  return content?.kind === 'list' && content.entries.some(({ value }) => value === TLS13);
}

/** What was received, to the first byte that is not there. */
function headOf({ events }: IncidentConnection): Buffer {
  const known: Buffer[] = [];
  for (const event of events) {
    if (event.type !== 'received') continue;
    for (const part of event.parts) {
      if (!('bytes' in part)) return Buffer.concat(known);
      known.push(Buffer.from(part.bytes, 'base64'));
    }
  }
  return Buffer.concat(known);
}

/** The records of the ClientHello, and nothing after them. */
function templateOf(connection: IncidentConnection, { rest }: HelloModel): Buffer {
  const head = headOf(connection);
  return head.subarray(0, head.length - rest.length);
}

/** The writes before the server has said anything. */
function firstWrites({ events }: IncidentConnection): SizedWrite[] {
  const writes: SizedWrite[] = [];
  let lastMs: number | null = null;
  for (const event of events) {
    if (event.type === 'sent') break;
    if (event.type !== 'received') continue;
    const delayMs = lastMs === null ? 0 : Math.min(event.atMs - lastMs, REPLAY_DELAY_MS_MAX);
    writes.push({ delayMs, length: event.length });
    lastMs = event.atMs;
  }
  return writes;
}

/** Bytes of content in sealed records: first those of early data, and after the Finished the rest. */
function sealedOf({ events, records }: IncidentConnection): {
  readonly earlyData: readonly number[];
  readonly applicationData: readonly number[];
} {
  const sizes = records
    .filter(({ type, length }) => type === APPLICATION_DATA && length >= SEAL_BYTES)
    .map(({ length }) => length - SEAL_BYTES);
  const decrypted = events.reduce(
    (sum, event) => (event.type === 'early-data' ? sum + event.length : sum),
    0,
  );
  const isAccepted = decrypted > 0;
  const early = isAccepted ? untilSum(sizes, decrypted) : beforeAnswer({ events, records });
  // A client whose early data was accepted says where it ends (§4.5), and then come its Finished.
  const hasEnd = isAccepted && sizes[early] === END_OF_EARLY_DATA_BYTES;
  const finishedAt = early + (hasEnd ? 1 : 0);
  return {
    earlyData: sizes.slice(0, early).filter((size) => size > 0),
    applicationData: sizes.slice(finishedAt + 1).filter((size) => size > 0),
  };
}

/** How many records hold so many bytes. */
function untilSum(sizes: readonly number[], total: number): number {
  let sum = 0;
  let count = 0;
  while (sum < total && count < sizes.length) sum += sizes[count++]!;
  return count;
}

/** Sealed records that had come when the server answered: early data that it did not take. */
function beforeAnswer({ events, records }: Pick<IncidentConnection, 'events' | 'records'>): number {
  let received = 0;
  for (const event of events) {
    if (event.type === 'sent') break;
    if (event.type === 'received') received += event.length;
  }
  return records.filter(({ type, offset }) => type === APPLICATION_DATA && offset < received)
    .length;
}
