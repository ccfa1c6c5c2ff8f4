/** Which tunnel a server name takes. */
import { HostNames } from '../../base/host-names.ts';
import type { SniTunnelOptions } from '../options.ts';

export class ServerNameRoutes {
  readonly #byName = new HostNames<SniTunnelOptions>();
  #rest: SniTunnelOptions | null = null;

  constructor(tunnels: readonly SniTunnelOptions[]) {
    for (const tunnel of tunnels) {
      if (tunnel.names.length === 0) this.#rest ??= tunnel;
      for (const name of tunnel.names) this.#byName.add(name, tunnel);
    }
  }

  /** `serverName` in normal form, '' for none. An exact name comes before a wildcard. */
  find(serverName: string): SniTunnelOptions | null {
    return this.#byName.find(serverName) ?? this.#rest;
  }
}
