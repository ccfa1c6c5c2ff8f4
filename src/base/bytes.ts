/** Byte strings: one octet per char code (latin1), as HTTP/1 carries them. */

interface ByteText {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
  latin1Write(this: Uint8Array, text: string, offset: number, length: number): number;
}

// Called on any Uint8Array: cheaper than making a Buffer of it, or than toString with an encoding.
const { latin1Slice, latin1Write } = Buffer.prototype as unknown as ByteText;

/** The octets from `start` to `end` (exclusive) as a byte string. */
export function readLatin1(bytes: Uint8Array, start: number, end: number): string {
  return start === end ? '' : latin1Slice.call(bytes, start, end);
}

/** Writes every char code as one octet; there must be room. Returns the offset after the last. */
export function writeLatin1(text: string, target: Uint8Array, offset: number): number {
  return offset + latin1Write.call(target, text, offset, text.length);
}
