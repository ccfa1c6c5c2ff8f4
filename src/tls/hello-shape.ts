/**
 * How a ClientHello looks apart from what is different in every connection: two of one client have
 * one shape. Finer than JA4, which leaves groups and key shares out.
 */
import { createHash } from 'node:crypto';
import { type ClientHello, type Extension, ExtensionType, isGrease } from './client-hello.ts';
import { ja4Of } from './ja4.ts';

const HASH_DIGITS = 16;
const EXTENSION_PADDING = 21;
const EXTENSION_ENCRYPTED_HELLO = 0xfe0d;

/** What is chosen anew for each connection, or by where the client goes. */
const VARYING: ReadonlySet<number> = new Set([
  ExtensionType.serverName,
  ExtensionType.preSharedKey,
  ExtensionType.cookie,
  EXTENSION_PADDING,
  EXTENSION_ENCRYPTED_HELLO,
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
  if (VARYING.has(type)) return type;
  switch (type) {
    case ExtensionType.keyShare:
      return [type, hello.keyShareGroups.map(withoutGrease)];
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
