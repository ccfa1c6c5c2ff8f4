/** ClientHellos made by hand, for tests of what reads them. */
import { ExtensionType } from '../../src/tls/client-hello.ts';

export interface HelloShape {
  readonly legacyVersion?: number;
  readonly cipherSuites?: readonly number[];
  /** Type and data, in order. Undefined: none at all, as before TLS 1.3. */
  readonly extensions?: readonly (readonly [type: number, data: Buffer])[];
}

/** Length bytes as many as `size`, then the bytes. */
export function vector(size: 1 | 2 | 3, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(size);
  head.writeUIntBE(body.length, 0, size);
  return Buffer.concat([head, body]);
}

export function uint16s(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(2 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value, 2 * index);
  return bytes;
}

export const extension = {
  serverName: (name: string) =>
    [
      ExtensionType.serverName,
      vector(2, Buffer.of(0), vector(2, Buffer.from(name, 'latin1'))),
    ] as const,
  alpn: (...names: readonly string[]) =>
    [
      ExtensionType.alpn,
      vector(2, ...names.map((name) => vector(1, Buffer.from(name, 'latin1')))),
    ] as const,
  versions: (...values: readonly number[]) =>
    [ExtensionType.supportedVersions, vector(1, uint16s(...values))] as const,
  groups: (...values: readonly number[]) =>
    [ExtensionType.supportedGroups, vector(2, uint16s(...values))] as const,
  schemes: (...values: readonly number[]) =>
    [ExtensionType.signatureAlgorithms, vector(2, uint16s(...values))] as const,
  keyShares: (...groups: readonly number[]) =>
    [
      ExtensionType.keyShare,
      vector(
        2,
        ...groups.map((group) => Buffer.concat([uint16s(group), vector(2, Buffer.alloc(4))])),
      ),
    ] as const,
  /** Any, without content. */
  empty: (type: number) => [type, Buffer.alloc(0)] as const,
};

/** The message without its record. */
export function helloMessage(shape: HelloShape = {}): Buffer {
  const { legacyVersion = 0x0303, cipherSuites = [0x1301], extensions } = shape;
  const list = (extensions ?? []).map(([type, data]) =>
    Buffer.concat([uint16s(type), vector(2, data)]),
  );
  const body = Buffer.concat([
    uint16s(legacyVersion),
    Buffer.alloc(32, 7),
    vector(1, Buffer.alloc(32, 9)),
    vector(2, uint16s(...cipherSuites)),
    vector(1, Buffer.of(0)),
    ...(extensions === undefined ? [] : [vector(2, ...list)]),
  ]);
  return Buffer.concat([Buffer.of(1), vector(3, body)]);
}

/** Records that carry a message, each with at most so many bytes of it. */
export function inRecords(message: Buffer, bytesMax = 16_384): Buffer {
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += bytesMax) {
    const piece = message.subarray(at, at + bytesMax);
    records.push(Buffer.of(22, 3, 1), vector(2, piece));
  }
  return Buffer.concat(records);
}
