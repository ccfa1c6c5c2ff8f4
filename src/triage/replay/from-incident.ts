/** From what an incident holds of a connection to a script that does it again. */

import { clientHelloLength } from '../../tls/client-hello.ts';
import type { Incident, IncidentConnection, ReceivedEvent } from '../incident.ts';
import type { BytesFlight, HandshakeScript, ReplayWrite } from './script.ts';

/**
 * Between two writes, at most. A client that was slow is played as slow as this, and no slower:
 * servers give a handshake 10 s.
 */
export const REPLAY_DELAY_MS_MAX = 2_000;

export interface ScriptOfConnection {
  readonly connection: number;
  readonly script: HandshakeScript;
  /** What could not be kept, a sentence each. */
  readonly notes: readonly string[];
}

/** Why there is no script, in words. */
export interface NoScript {
  readonly connection: number;
  readonly script: null;
  readonly notes: readonly string[];
}

/** The connection that is suspected; without one, the last that was open, or the last of all. */
export function suspectedConnection({ suspect, connections }: Incident): IncidentConnection | null {
  const clients = connections.filter(({ role }) => role === 'server');
  return (
    clients.find(({ id }) => id === suspect?.connection) ??
    clients.findLast(({ outcome }) => outcome === 'open') ??
    clients.at(-1) ??
    null
  );
}

/** Byte for byte, as far as they are known: what was sealed depends on keys, and is not there. */
export function verbatimScript(connection: IncidentConnection): ScriptOfConnection | NoScript {
  const { id } = connection;
  const notes: string[] = [];
  const flights: BytesFlight[] = [];
  let writes: ReplayWrite[] = [];
  let lastMs: number | null = null;
  const endTrace = () => {
    if (writes.length > 0) flights.push({ kind: 'bytes', writes });
    writes = [];
  };
  for (const event of connection.events) {
    if (event.type === 'sent') {
      endTrace();
      lastMs = event.atMs;
    }
    if (event.type !== 'received') continue;
    const { bytes, isWhole } = bytesOf(event);
    if (bytes.length > 0) {
      const delayMs = lastMs === null ? 0 : Math.min(event.atMs - lastMs, REPLAY_DELAY_MS_MAX);
      writes.push({ delayMs: Math.max(0, delayMs), bytes: bytes.toString('base64') });
    }
    lastMs = event.atMs;
    if (isWhole) continue;
    notes.push(`what was sent after ${event.atMs} ms is sealed with keys, and left out`);
    break;
  }
  endTrace();
  if (flights.length === 0) {
    const why = 'nothing of what the client has sent is in the incident';
    return { connection: id, script: null, notes: [why] };
  }
  if (connection.isCut) notes.push('the recording was cut: something may be missing');
  notes.push(...helloNotes(flights));
  return { connection: id, script: { mode: 'verbatim', flights, end: 'wait' }, notes };
}

/** The bytes before the first gap. */
function bytesOf({ parts }: ReceivedEvent): { bytes: Buffer; isWhole: boolean } {
  const known: Buffer[] = [];
  for (const part of parts) {
    if (!('bytes' in part)) return { bytes: withoutHeader(Buffer.concat(known)), isWhole: false };
    known.push(Buffer.from(part.bytes, 'base64'));
  }
  return { bytes: Buffer.concat(known), isWhole: true };
}

const RECORD_HEADER_BYTES = 5;
const APPLICATION_DATA = 23;

/** A sealed record's header alone would have the server wait for its content. */
function withoutHeader(bytes: Buffer): Buffer {
  const header = bytes.subarray(-RECORD_HEADER_BYTES);
  const isHeader = header.length === RECORD_HEADER_BYTES && header[0] === APPLICATION_DATA;
  return isHeader ? bytes.subarray(0, -RECORD_HEADER_BYTES) : bytes;
}

function helloNotes(flights: readonly BytesFlight[]): string[] {
  const first = Buffer.concat(flights[0]!.writes.map(({ bytes }) => Buffer.from(bytes, 'base64')));
  const length = clientHelloLength(first);
  if (length > 0) return [];
  return [length === 0 ? 'the ClientHello is not whole' : 'it does not begin with a ClientHello'];
}
