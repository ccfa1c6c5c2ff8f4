/**
 * A ClientHello like another one, with keys of our own: shares, random and session identifier, and a
 * ticket where there is one. All else stays, byte for byte.
 */
import { randomBytes } from 'node:crypto';
import { ExtensionType } from '../../../tls/client-hello.ts';
import { type ExtensionModel, type HelloModel, writeHello } from '../../reduce/hello-model.ts';
import { type HashName, hashBytes, KeySchedule } from './key-schedule.ts';
import { hasKeys, type KeyShare, makeKeyShare } from './key-shares.ts';

const RECORD_HEADER_BYTES = 5;
const RANDOM_BYTES = 32;

/** From an earlier connection of ours. */
export interface Ticket {
  readonly identity: Buffer;
  readonly key: Buffer;
  readonly hash: HashName;
  readonly suite: number;
  readonly ageAdd: number;
  readonly receivedAtMs: number;
}

/** The model with what is ours; what the server asks for again is put in by {@link retriedModel}. */
export function ownModel(template: HelloModel): { model: HelloModel; shares: KeyShare[] } {
  const shares: KeyShare[] = [];
  const extensions = (template.extensions ?? []).map((extension): ExtensionModel => {
    const { type, content } = extension;
    if (type !== ExtensionType.keyShare || content.kind !== 'list') return extension;
    const entries = content.entries.map(({ value, bytes }) => {
      // Group and length come before the key itself.
      const share = makeKeyShare(value, bytes.length - 4);
      shares.push(share);
      return { value, bytes: shareBytes(share) };
    });
    return { type, content: { ...content, entries } };
  });
  const model = {
    ...template,
    random: randomBytes(RANDOM_BYTES),
    sessionId: randomBytes(template.sessionId.length),
    extensions: template.extensions === null ? null : extensions,
    rest: Buffer.alloc(0),
  };
  return { model, shares };
}

function shareBytes({ group, bytes }: KeyShare): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(group, 0);
  head.writeUInt16BE(bytes.length, 2);
  return Buffer.concat([head, bytes]);
}

/**
 * RFC 8446 §4.1.2: the second ClientHello has one share, for the group that was asked for, the cookie,
 * and no early data. Null for a group of which we have no keys.
 */
export function retriedModel(
  first: HelloModel,
  group: number | null,
  cookie: Buffer | null,
): { model: HelloModel; share: KeyShare | null } | null {
  if (group !== null && !hasKeys(group)) return null;
  const share = group === null ? null : makeKeyShare(group, 0);
  const extensions = (first.extensions ?? []).flatMap((extension): ExtensionModel[] => {
    const { type, content } = extension;
    if (type === ExtensionType.earlyData || type === ExtensionType.cookie) return [];
    if (type !== ExtensionType.keyShare || share === null || content.kind !== 'list') {
      return [extension];
    }
    return [
      {
        type,
        content: { ...content, entries: [{ value: share.group, bytes: shareBytes(share) }] },
      },
    ];
  });
  if (cookie !== null) {
    extensions.unshift({ type: ExtensionType.cookie, content: { kind: 'opaque', data: cookie } });
  }
  return { model: { ...first, extensions }, share };
}

/** Of a connection without a ticket of ours: what it says of one would be about another's. */
export function withoutTicket(model: HelloModel): HelloModel {
  const { preSharedKey, earlyData } = ExtensionType;
  const extensions =
    model.extensions?.filter(({ type }) => type !== preSharedKey && type !== earlyData) ?? null;
  return { ...model, extensions };
}

/** Announces early data (§4.2.10), which the template may not have done. */
export function withEarlyData(model: HelloModel): HelloModel {
  const { earlyData: type } = ExtensionType;
  const extensions = model.extensions ?? [];
  if (extensions.some((one) => one.type === type)) return model;
  const content = { kind: 'opaque', data: Buffer.alloc(0) } as const;
  return { ...model, extensions: [...extensions, { type, content }] };
}

/** With our ticket in place of the template's, and a binder for it (§4.2.11). */
export function withTicket(
  model: HelloModel,
  ticket: Ticket,
  transcriptBefore: readonly Buffer[],
): HelloModel {
  const { preSharedKey } = ExtensionType;
  const others = model.extensions?.filter(({ type }) => type !== preSharedKey) ?? [];
  const binderBytes = hashBytes(ticket.hash).length;
  const identity = identityBytes(ticket);
  const withBinder = (binder: Buffer): HelloModel => {
    const binders = Buffer.concat([Buffer.of(0, binder.length + 1, binder.length), binder]);
    const data = Buffer.concat([identity, binders]);
    const extension: ExtensionModel = { type: preSharedKey, content: { kind: 'opaque', data } };
    return { ...model, extensions: [...others, extension] };
  };
  const blank = messageOf(writeHello(withBinder(Buffer.alloc(binderBytes))));
  // What is signed ends before the list of binders, of which the length counts already.
  const truncated = blank.subarray(0, blank.length - binderBytes - 3);
  const schedule = new KeySchedule(ticket.hash, ticket.key);
  const base = schedule.derive('res binder', hashBytes(ticket.hash));
  const transcriptHash = hashBytes(ticket.hash, ...transcriptBefore, truncated);
  return withBinder(schedule.finished(base, transcriptHash));
}

/** The list with one identity and its obfuscated age (§4.2.11.1). */
function identityBytes({ identity, ageAdd, receivedAtMs }: Ticket): Buffer {
  const age = (Math.max(0, Date.now() - receivedAtMs) + ageAdd) % 2 ** 32;
  const bytes = Buffer.alloc(2 + 2 + identity.length + 4);
  bytes.writeUInt16BE(2 + identity.length + 4, 0);
  bytes.writeUInt16BE(identity.length, 2);
  identity.copy(bytes, 4);
  bytes.writeUInt32BE(age, 4 + identity.length);
  return bytes;
}

/** The message in records, without their headers. */
export function messageOf(bytes: Buffer): Buffer {
  return Buffer.concat(recordsOf(bytes).map((record) => record.subarray(RECORD_HEADER_BYTES)));
}

/** Whole records (RFC 8446 §5.1), each with its header. */
export function recordsOf(bytes: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + RECORD_HEADER_BYTES + bytes.readUInt16BE(at + 3);
    records.push(bytes.subarray(at, end));
    at = end;
  }
  return records;
}
