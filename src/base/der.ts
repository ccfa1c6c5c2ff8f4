/** Values in DER (X.690 §8): as much as certificates and requests for them need. */
import { assert } from './assert.ts';

export const BOOLEAN = 0x01;
export const INTEGER = 0x02;
export const BIT_STRING = 0x03;
export const OCTET_STRING = 0x04;
export const NULL = 0x05;
const OBJECT_IDENTIFIER = 0x06;
export const UTF8_STRING = 0x0c;
export const UTC_TIME = 0x17;
export const GENERALIZED_TIME = 0x18;
export const SEQUENCE = 0x30;
export const SET = 0x31;
export const explicitTag = (number: number) => 0xa0 | number;
export const implicitTag = (number: number) => 0x80 | number;

/** `hex`: as it is encoded, without tag and length. */
export function identifier(hex: string): Buffer {
  return encode(OBJECT_IDENTIFIER, Buffer.from(hex, 'hex'));
}

export function bitString(bytes: Uint8Array): Buffer {
  return encode(BIT_STRING, Buffer.of(0), bytes);
}

/** One value: tag, length, content, which is below 64 KiB. */
export function encode(tag: number, ...content: Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  assert(body.length < 65_536, 'a certificate is small');
  const { length } = body;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), body]);
  if (length < 0x100) return Buffer.concat([Buffer.of(tag, 0x81, length), body]);
  return Buffer.concat([Buffer.of(tag, 0x82, length >> 8, length & 0xff), body]);
}

/** A block of PEM (RFC 7468). */
export function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g)!;
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
