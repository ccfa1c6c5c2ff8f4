/** What plugins are told of a handshake. */
import type { HandshakeRecord } from '../tls/contract.ts';
import type { Handshake } from './api.ts';

export function handshakeOf(record: HandshakeRecord, clientAddress: string): Handshake {
  const { version, cipher, group, serverName, alpn, resumed, errorCode, durationMs } = record;
  const outcome = record.outcome === 'complete' ? 'complete' : 'failed';
  const facts = { outcome, version, cipher, group, serverName, alpn, resumed } as const;
  return { ...facts, clientAddress, error: errorCode, durationMs };
}
