/** The transport parameters that our limits make. */
import type { QuicLimits } from '../limits.ts';
import { QUIC_VERSION_1 } from '../wire/packet-header.ts';
import {
  defaultTransportParameters,
  type TransportParameters,
} from '../wire/transport-parameters.ts';
import { ACK_DELAY_MS } from './connection-core.ts';

export function ourParameters(limits: QuicLimits): TransportParameters {
  return {
    ...defaultTransportParameters(),
    idleTimeoutMs: limits.idleTimeoutMs,
    udpPayloadBytesMax: limits.udpPayloadBytesMax,
    dataMax: limits.connectionWindowBytes,
    streamDataMaxLocal: limits.streamWindowBytes,
    streamDataMaxRemote: limits.streamWindowBytes,
    streamDataMaxUnidirectional: limits.streamWindowBytes,
    streamsMaxBidirectional: limits.bidirectionalStreamsMax,
    streamsMaxUnidirectional: limits.unidirectionalStreamsMax,
    ackDelayMsMax: ACK_DELAY_MS,
    activeIdsMax: limits.activeIdsMax,
    datagramFrameBytesMax: limits.datagramFrameBytesMax,
    acceptsClearFixedBit: true,
    versions: { chosen: QUIC_VERSION_1, available: [QUIC_VERSION_1] },
  };
}
