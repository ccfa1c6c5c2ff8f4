/** A ClientHello in a sentence. */
import { ExtensionType } from '../../tls/client-hello.ts';
import { type HelloModel, readHello } from './hello-model.ts';
import { cipherSuiteName, extensionName, groupName, versionName } from './tls-names.ts';

/** As `TLS 1.3 ClientHello, groups ffdhe4096, x25519, no key share, no early data`. */
export function helloWords(flight: Uint8Array): string {
  const model = readHello(flight);
  if (model === null) return `${flight.length} bytes that are no whole ClientHello`;
  const versions = valuesOf(model, ExtensionType.supportedVersions);
  const version = versions === null ? model.version : Math.max(...versions);
  const groups = valuesOf(model, ExtensionType.supportedGroups);
  const shares = valuesOf(model, ExtensionType.keyShare);
  const has = (type: number) => (model.extensions ?? []).some((one) => one.type === type);
  const parts = [
    `${versionName(version)} ClientHello`,
    listed('groups', groups, groupName) ?? 'no supported groups',
    listed('key shares of', shares, groupName) ?? 'no key share',
    listed('cipher suites', model.cipherSuites, cipherSuiteName) ?? 'no cipher suite',
    has(ExtensionType.preSharedKey) ? 'with a session ticket' : 'no session ticket',
    has(ExtensionType.earlyData) ? 'with early data' : 'no early data',
  ];
  const { lengths } = model.records;
  if (lengths.length > 1) parts.push(`in ${lengths.length} records`);
  const rest = otherExtensions(model);
  if (rest.length > 0) parts.push(`and ${rest.join(', ')}`);
  return parts.join(', ');
}

const SAID = new Set<number>([
  ExtensionType.supportedVersions,
  ExtensionType.supportedGroups,
  ExtensionType.keyShare,
  ExtensionType.preSharedKey,
  ExtensionType.earlyData,
]);

function otherExtensions({ extensions }: HelloModel): string[] {
  return (extensions ?? [])
    .filter(({ type }) => !SAID.has(type))
    .map(({ type }) => extensionName(type));
}

/** Null when there is no such extension. */
function valuesOf({ extensions }: HelloModel, type: number): number[] | null {
  const content = extensions?.find((one) => one.type === type)?.content;
  if (content === undefined) return null;
  return content.kind === 'list' ? content.entries.map(({ value }) => value) : [];
}

function listed(
  what: string,
  values: readonly number[] | null,
  name: (value: number) => string,
): string | null {
  if (values === null || values.length === 0) return null;
  return `${what} ${values.map(name).join(', ')}`;
}
