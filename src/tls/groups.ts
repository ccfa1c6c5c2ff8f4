/** The key exchange groups that the OpenSSL inside this Node can negotiate. */
import { SslContext, type TlsVersion } from '../native/ssl-context.ts';

/** Names as HandshakeRecord's `group` gives them, as `x25519` or `X25519MLKEM768`. */
export function implementedGroups(version: TlsVersion): string[] {
  using context = new SslContext('client');
  context.setVersions(version, version);
  return context.implementedGroups();
}
