import type { ConnectMethodOptions } from '../../proxy/connect-gateway.ts';
import type { ConnectEntry } from '../schema/connect.ts';

/** Only what browsers use CONNECT for. */
const PORTS_DEFAULT = [443];

export function compileConnect(entry: ConnectEntry): ConnectMethodOptions {
  const { from, ports = PORTS_DEFAULT, to = [] } = entry;
  return { from, ports, to };
}
