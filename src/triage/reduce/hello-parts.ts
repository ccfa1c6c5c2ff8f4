/** What can be left out of a ClientHello, each by a name that people know. */
import { ExtensionType } from '../../tls/client-hello.ts';
import { type ExtensionModel, type HelloModel, type ListEntry, writeHello } from './hello-model.ts';
import {
  cipherSuiteName,
  extensionName,
  groupName,
  signatureSchemeName,
  versionName,
} from './tls-names.ts';

/** One thing that can be left out. */
export interface HelloPart {
  /** As `extension key_share` or `group x25519`. */
  readonly name: string;
  /** Index of the extension that it is, or is in; -1 for what is in none. */
  readonly extension: number;
  /** Index in the list of cipher suites, or in the extension's; -1 for the extension as a whole. */
  readonly entry: number;
  readonly kind: 'records' | 'session-id' | 'cipher-suite' | 'extension' | 'entry';
}

/** Extensions first, because whole ones are left out before what is in them. */
export function helloPartsOf({
  records,
  sessionId,
  cipherSuites,
  extensions,
}: HelloModel): HelloPart[] {
  const parts: HelloPart[] = [];
  const add = (kind: HelloPart['kind'], name: string, extension = -1, entry = -1) =>
    parts.push({ name, extension, entry, kind });
  if (records.lengths.length > 1) add('records', `${records.lengths.length} records`);
  if (sessionId.length > 0) add('session-id', 'legacy_session_id');
  const all = extensions ?? [];
  for (const [index, { type }] of all.entries()) {
    add('extension', `extension ${extensionName(type)}`, index);
  }
  for (const [index, suite] of cipherSuites.entries()) {
    add('cipher-suite', `cipher suite ${cipherSuiteName(suite)}`, -1, index);
  }
  for (const [index, extension] of all.entries()) {
    if (extension.content.kind !== 'list') continue;
    for (const [place, entry] of extension.content.entries.entries()) {
      add('entry', entryName(extension.type, entry), index, place);
    }
  }
  return parts;
}

function entryName(type: number, { value, bytes }: ListEntry): string {
  switch (type) {
    case ExtensionType.supportedGroups:
      return `group ${groupName(value)}`;
    case ExtensionType.keyShare:
      return `key share of ${groupName(value)}`;
    case ExtensionType.supportedVersions:
      return `version ${versionName(value)}`;
    case ExtensionType.alpn:
      return `protocol ${bytes.toString('latin1', 1)}`;
    case ExtensionType.signatureAlgorithms:
      return `signature scheme ${signatureSchemeName(value)}`;
    default:
      return `${value} in ${extensionName(type)}`;
  }
}

/** The bytes of the ClientHello with these parts of it only. */
export function withParts(model: HelloModel, kept: readonly HelloPart[]): Buffer {
  const has = (kind: HelloPart['kind'], extension: number, entry: number) =>
    kept.some((part) => part.kind === kind && part.extension === extension && part.entry === entry);
  const extensions = model.extensions?.flatMap((extension, index) =>
    has('extension', index, -1)
      ? [withEntries(extension, (entry) => has('entry', index, entry))]
      : [],
  );
  const { records } = model;
  const lengths = has('records', -1, -1) ? records.lengths : [0];
  return writeHello({
    ...model,
    records: { ...records, lengths: records.lengths.length > 1 ? lengths : records.lengths },
    sessionId: has('session-id', -1, -1) ? model.sessionId : Buffer.alloc(0),
    cipherSuites: model.cipherSuites.filter((_, index) => has('cipher-suite', -1, index)),
    extensions: extensions ?? null,
  });
}

function withEntries(
  extension: ExtensionModel,
  isKept: (entry: number) => boolean,
): ExtensionModel {
  const { content, type } = extension;
  if (content.kind === 'opaque') return extension;
  const entries = content.entries.filter((_, index) => isKept(index));
  return { type, content: { ...content, entries } };
}
