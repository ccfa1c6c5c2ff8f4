/** What the servers of a group are called in metrics, logs and commands. */
import { bracketed, hostAndPort } from '../base/socket-address.ts';
import type { OriginServerOptions } from './options.ts';

/** What stands before the path of a UNIX socket, where other servers have a name. */
export const UNIX_PREFIX = 'unix:';

/** Who a server on a UNIX socket is to itself, as other proxies say it. */
const UNIX_HOST = 'localhost';

/** The path of the socket of a server's host, or address; null when it is on no UNIX socket. */
export function socketPathOf(host: string): string | null {
  return host.startsWith(UNIX_PREFIX) ? host.slice(UNIX_PREFIX.length) : null;
}

/** `host:port`, or the host alone when it is a socket's path. */
export function nameOfServer(host: string, port: number): string {
  return socketPathOf(host) === null ? hostAndPort(host, port) : host;
}

/** `host:port` or the label, and a number after it for the second and later ones of the same. */
export function serverNames(servers: readonly OriginServerOptions[]): string[] {
  const counts = new Map<string, number>();
  return servers.map(({ host, port, label }) => {
    const name = label ?? nameOfServer(host, port);
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return count === 1 ? name : `${name}#${count}`;
  });
}

/** Host and, unless it is the scheme's default, port. */
export function authorityOf({ scheme, host, port }: OriginServerOptions): string {
  if (socketPathOf(host) !== null) return UNIX_HOST;
  return port === (scheme === 'https' ? 443 : 80) ? bracketed(host) : hostAndPort(host, port);
}
