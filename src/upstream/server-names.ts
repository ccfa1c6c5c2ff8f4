/** What the servers of a group are called in metrics, logs and commands. */
import type { OriginServerOptions } from './options.ts';

/** `host:port`, and a number after it for the second and later ones of the same. */
export function serverNames(servers: readonly OriginServerOptions[]): string[] {
  const counts = new Map<string, number>();
  return servers.map(({ host, port }) => {
    const name = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return count === 1 ? name : `${name}#${count}`;
  });
}

/** Host and, unless it is the scheme's default, port. */
export function authorityOf({ scheme, host, port }: OriginServerOptions): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === (scheme === 'https' ? 443 : 80) ? name : `${name}:${port}`;
}
