/**
 * Transport parameters (RFC 9000 §18, RFC 9221 §3, RFC 9287 §3, RFC 9368 §3): encoded, and read strictly:
 * one that is doubled, malformed, out of range or not the peer's to send is a TRANSPORT_PARAMETER_ERROR.
 */
import { copyOfBytes } from '../../base/bytes.ts';
import { type QuicRole, RESET_TOKEN_BYTES } from '../contracts.ts';
import { CONNECTION_ID_BYTES_MAX } from './packet-header.ts';
import { QuicFault, TransportErrorCode } from './transport-error.ts';
import { EXACT_MAX, WireReader, WireWriter } from './varint.ts';

/** What a side says of itself. Absent IDs and tokens are undefined; numbers have RFC 9000's defaults. */
export interface TransportParameters {
  originalDestinationId: Uint8Array | undefined;
  initialSourceId: Uint8Array | undefined;
  retrySourceId: Uint8Array | undefined;
  resetToken: Uint8Array | undefined;
  /** ms; 0: none. */
  idleTimeoutMs: number;
  udpPayloadBytesMax: number;
  dataMax: number;
  /** For bidirectional streams that the sender of the parameter opens. */
  streamDataMaxLocal: number;
  /** For bidirectional streams that the receiver of the parameter opens. */
  streamDataMaxRemote: number;
  streamDataMaxUnidirectional: number;
  streamsMaxBidirectional: number;
  streamsMaxUnidirectional: number;
  ackDelayExponent: number;
  ackDelayMsMax: number;
  isActiveMigrationDisabled: boolean;
  activeIdsMax: number;
  /** Bytes of a DATAGRAM frame, its type and length included; 0: none are taken. */
  datagramFrameBytesMax: number;
  preferredId: { readonly id: Uint8Array; readonly resetToken: Uint8Array } | undefined;
  /** Packets may come with the fixed bit clear (RFC 9287). */
  acceptsClearFixedBit: boolean;
  /** Version Information (RFC 9368 §3). */
  versions: { readonly chosen: number; readonly available: readonly number[] } | undefined;
}

/** What holds where nothing is said (RFC 9000 §18.2). */
export function defaultTransportParameters(): TransportParameters {
  return {
    originalDestinationId: undefined,
    initialSourceId: undefined,
    retrySourceId: undefined,
    resetToken: undefined,
    idleTimeoutMs: 0,
    udpPayloadBytesMax: 65_527,
    dataMax: 0,
    streamDataMaxLocal: 0,
    streamDataMaxRemote: 0,
    streamDataMaxUnidirectional: 0,
    streamsMaxBidirectional: 0,
    streamsMaxUnidirectional: 0,
    ackDelayExponent: 3,
    ackDelayMsMax: 25,
    isActiveMigrationDisabled: false,
    activeIdsMax: 2,
    datagramFrameBytesMax: 0,
    preferredId: undefined,
    acceptsClearFixedBit: false,
    versions: undefined,
  };
}

const Id = {
  originalDestinationId: 0x00,
  idleTimeout: 0x01,
  resetToken: 0x02,
  udpPayload: 0x03,
  data: 0x04,
  streamDataLocal: 0x05,
  streamDataRemote: 0x06,
  streamDataUnidirectional: 0x07,
  streamsBidirectional: 0x08,
  streamsUnidirectional: 0x09,
  ackDelayExponent: 0x0a,
  ackDelay: 0x0b,
  disableActiveMigration: 0x0c,
  preferredAddress: 0x0d,
  activeIds: 0x0e,
  initialSourceId: 0x0f,
  retrySourceId: 0x10,
  versionInformation: 0x11,
  datagram: 0x20,
  greaseFixedBit: 0x2ab2,
} as const;

const STREAMS_MAX = 2 ** 60;
const PARAMETERS_BYTES_MAX = 512;

/** Each number: its ID, its name, the least and the largest value that are legal. */
const NUMBERS = [
  [Id.idleTimeout, 'idleTimeoutMs', 0, Number.POSITIVE_INFINITY],
  [Id.udpPayload, 'udpPayloadBytesMax', 1_200, Number.POSITIVE_INFINITY],
  [Id.data, 'dataMax', 0, Number.POSITIVE_INFINITY],
  [Id.streamDataLocal, 'streamDataMaxLocal', 0, Number.POSITIVE_INFINITY],
  [Id.streamDataRemote, 'streamDataMaxRemote', 0, Number.POSITIVE_INFINITY],
  [Id.streamDataUnidirectional, 'streamDataMaxUnidirectional', 0, Number.POSITIVE_INFINITY],
  [Id.streamsBidirectional, 'streamsMaxBidirectional', 0, STREAMS_MAX],
  [Id.streamsUnidirectional, 'streamsMaxUnidirectional', 0, STREAMS_MAX],
  [Id.ackDelayExponent, 'ackDelayExponent', 0, 20],
  [Id.ackDelay, 'ackDelayMsMax', 0, 2 ** 14 - 1],
  [Id.activeIds, 'activeIdsMax', 2, Number.POSITIVE_INFINITY],
  [Id.datagram, 'datagramFrameBytesMax', 0, Number.POSITIVE_INFINITY],
] as const;

const SERVERS_ONLY: readonly number[] = [
  Id.originalDestinationId,
  Id.resetToken,
  Id.preferredAddress,
  Id.retrySourceId,
];

/**
 * Encodes; defaults are left out. `grease` adds a reserved parameter (RFC 9000 §18.1), as any byte.
 */
export function encodeTransportParameters(
  parameters: TransportParameters,
  grease: number,
): Uint8Array {
  const writer = new WireWriter().set(
    new Uint8Array(PARAMETERS_BYTES_MAX),
    0,
    PARAMETERS_BYTES_MAX,
  );
  const value = new WireWriter().set(new Uint8Array(64), 0, 64);
  const put = (id: number, bytes: Uint8Array | undefined) => {
    if (bytes === undefined) return;
    writer.varint(id);
    writer.putTold(bytes);
  };
  put(Id.originalDestinationId, parameters.originalDestinationId);
  put(Id.initialSourceId, parameters.initialSourceId);
  put(Id.retrySourceId, parameters.retrySourceId);
  put(Id.resetToken, parameters.resetToken);
  const defaults = defaultTransportParameters();
  for (const [id, name] of NUMBERS) {
    if (parameters[name] === defaults[name]) continue;
    value.at = 0;
    value.varint(parameters[name]);
    put(id, value.bytes.subarray(0, value.at));
  }
  if (parameters.isActiveMigrationDisabled) put(Id.disableActiveMigration, NOTHING);
  if (parameters.acceptsClearFixedBit) put(Id.greaseFixedBit, NOTHING);
  if (parameters.versions !== undefined) {
    value.at = 0;
    value.uint32(parameters.versions.chosen);
    for (const version of parameters.versions.available) value.uint32(version);
    put(Id.versionInformation, value.bytes.subarray(0, value.at));
  }
  put(27 + 31 * grease, NOTHING);
  return writer.bytes.subarray(0, writer.at);
}

const NOTHING = new Uint8Array(0);

function fault(reason: string): never {
  throw new QuicFault(TransportErrorCode.transportParameterError, reason);
}

/** Reads what a peer sent. Throws a QuicFault. `sender` is the peer's role. */
export function decodeTransportParameters(
  bytes: Uint8Array,
  sender: QuicRole,
): TransportParameters {
  const parameters = defaultTransportParameters();
  const reader = new WireReader().set(bytes, 0, bytes.length);
  const seen = new Set<number>();
  while (reader.left > 0) {
    const id = reader.varint();
    const value = reader.viewOfTold();
    if (reader.hasFailed) fault('transport parameters are cut off');
    // Identifiers beyond 2^53 are rounded, and all are unknown: no two of them are said to be one.
    if (seen.has(id) && id <= EXACT_MAX) fault(`transport parameter ${id} came twice`);
    seen.add(id);
    if (sender === 'client' && SERVERS_ONLY.includes(id)) {
      fault(`a client may not send transport parameter ${id}`);
    }
    readOne(parameters, id, value);
  }
  return parameters;
}

function readOne(parameters: TransportParameters, id: number, value: Uint8Array): void {
  const row = NUMBERS.find(([known]) => known === id);
  if (row !== undefined) {
    const [, name, min, max] = row;
    const reader = new WireReader().set(value, 0, value.length);
    const number = reader.varint();
    if (reader.hasFailed || reader.left > 0) fault(`transport parameter ${id} is malformed`);
    if (number < min || number > max) fault(`transport parameter ${id} is ${number}`);
    parameters[name] = Math.min(number, EXACT_MAX);
    return;
  }
  if (id === Id.originalDestinationId) parameters.originalDestinationId = readId(value);
  else if (id === Id.initialSourceId) parameters.initialSourceId = readId(value);
  else if (id === Id.retrySourceId) parameters.retrySourceId = readId(value);
  else if (id === Id.resetToken) {
    if (value.length !== RESET_TOKEN_BYTES) fault('a reset token has another length');
    parameters.resetToken = copyOfBytes(value);
  } else if (id === Id.disableActiveMigration) {
    if (value.length > 0) fault('disable_active_migration has a value');
    parameters.isActiveMigrationDisabled = true;
  } else if (id === Id.greaseFixedBit) {
    if (value.length > 0) fault('grease_quic_bit has a value');
    parameters.acceptsClearFixedBit = true;
  } else if (id === Id.preferredAddress) readPreferredAddress(parameters, value);
  else if (id === Id.versionInformation) readVersions(parameters, value);
}

function readId(value: Uint8Array): Uint8Array {
  if (value.length > CONNECTION_ID_BYTES_MAX) fault('a connection ID is too long');
  return copyOfBytes(value);
}

/** Bytes of the two addresses and ports. */
const ADDRESSES_BYTES = 4 + 2 + 16 + 2;

function readPreferredAddress(parameters: TransportParameters, value: Uint8Array): void {
  const reader = new WireReader().set(value, 0, value.length);
  reader.skip(ADDRESSES_BYTES);
  const id = copyOfBytes(reader.view(reader.byte()));
  const resetToken = copyOfBytes(reader.view(RESET_TOKEN_BYTES));
  if (reader.hasFailed || reader.left > 0) fault('preferred_address is malformed');
  if (id.length === 0 || id.length > CONNECTION_ID_BYTES_MAX) fault('preferred_address has no ID');
  parameters.preferredId = { id, resetToken };
}

/** RFC 9368 §3: malformed is a transport parameter error, and a version of zero, too. */
function readVersions(parameters: TransportParameters, value: Uint8Array): void {
  if (value.length < 4 || value.length % 4 !== 0) fault('version_information is malformed');
  const reader = new WireReader().set(value, 0, value.length);
  const chosen = reader.uint32();
  const available: number[] = [];
  while (reader.left > 0) available.push(reader.uint32());
  if (chosen === 0 || available.includes(0)) fault('version_information has version 0');
  parameters.versions = { chosen, available };
}
