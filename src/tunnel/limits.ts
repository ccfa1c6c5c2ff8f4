/** Limits on tunnels, per worker. All times in milliseconds. */
export interface TunnelLimits {
  /** Open at once; further CONNECT requests are refused. */
  readonly tunnelsMax: number;
  /** For resolving the name and connecting, over all addresses. */
  readonly tunnelConnectTimeoutMs: number;
  /** Without a byte in either direction. */
  readonly tunnelIdleTimeoutMs: number;
}

/**
 * tunnelsMax: two sockets each; a sixth of the connections that a worker may have. tunnelConnectTimeoutMs:
 * as toward origins. tunnelIdleTimeoutMs: nginx's stream proxy_timeout, 10 minutes.
 */
export const defaultTunnelLimits: TunnelLimits = {
  tunnelsMax: 5_000,
  tunnelConnectTimeoutMs: 10_000,
  tunnelIdleTimeoutMs: 600_000,
};
