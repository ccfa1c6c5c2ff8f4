/** Which tunnel a server name takes. */
import type { SniTunnelOptions } from '../../config/options.ts';

export class ServerNameRoutes {
  readonly #exact = new Map<string, SniTunnelOptions>();
  /** By what stands behind `*`, with its dot. */
  readonly #wildcards = new Map<string, SniTunnelOptions>();
  #rest: SniTunnelOptions | null = null;

  constructor(tunnels: readonly SniTunnelOptions[]) {
    for (const tunnel of tunnels) {
      if (tunnel.names.length === 0) this.#rest ??= tunnel;
      for (const name of tunnel.names) {
        const isWildcard = name.startsWith('*.');
        const table = isWildcard ? this.#wildcards : this.#exact;
        const key = isWildcard ? name.slice(1) : name;
        if (!table.has(key)) table.set(key, tunnel);
      }
    }
  }

  /** `serverName` in lower case, '' for none. An exact name comes before a wildcard. */
  find(serverName: string): SniTunnelOptions | null {
    const exact = this.#exact.get(serverName);
    if (exact !== undefined) return exact;
    const dot = serverName.indexOf('.');
    const wildcard = dot > 0 ? this.#wildcards.get(serverName.slice(dot)) : undefined;
    return wildcard ?? this.#rest;
  }
}
