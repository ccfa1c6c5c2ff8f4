/**
 * How a ClientHello looks apart from what is random in it: two of one client to one name, each with a
 * ticket of the same size or without, have one shape. Finer than JA4: the name asked for, groups and
 * every length count. Incidents tell it; what is refused is told by hello-traits.ts.
 */
import { createHash } from 'node:crypto';
import { type ClientHello, type Extension, ExtensionType, isGrease } from '../client-hello.ts';
import { ja4Of } from '../ja4.ts';

const HASH_DIGITS = 16;

/** What is chosen anew for each connection: its length counts alone. */
const VARYING: ReadonlySet<number> = new Set([
  ExtensionType.preSharedKey,
  ExtensionType.cookie,
  ExtensionType.padding,
  ExtensionType.encryptedClientHello,
]);

/** As `t13d1516h2_8daaf6152771_e5627efa2ab1/0123456789abcdef`. */
export function shapeOf(hello: ClientHello): string {
  const parts = [
    hello.legacyVersion,
    hello.sessionId.length,
    hello.cipherSuites.map(withoutGrease),
    hello.extensions.map((extension) => extensionShape(hello, extension)),
  ];
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  return `${ja4Of(hello)}/${hash.slice(0, HASH_DIGITS)}`;
}

function extensionShape(hello: ClientHello, { type, data }: Extension): unknown {
  if (isGrease(type)) return 'grease';
  if (VARYING.has(type)) return [type, data.length];
  switch (type) {
    case ExtensionType.serverName:
      return [type, data.length, hello.serverName.toLowerCase()];
    case ExtensionType.keyShare:
      return [type, data.length, hello.keyShareGroups.map(withoutGrease)];
    case ExtensionType.supportedGroups:
      return [type, hello.supportedGroups.map(withoutGrease)];
    case ExtensionType.supportedVersions:
      return [type, hello.supportedVersions.map(withoutGrease)];
    default:
      return [type, Buffer.from(data).toString('base64')];
  }
}

function withoutGrease(value: number): number | 'grease' {
  return isGrease(value) ? 'grease' : value;
}
