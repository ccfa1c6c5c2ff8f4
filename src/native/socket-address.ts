/** `struct sockaddr_in`, `sockaddr_in6` and `sockaddr_un` to and from our words. */
import { SluiceError } from '../base/errors.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { libc } from './libc-table.ts';
import { addressOf, NativeBuffer } from './memory.ts';

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;

/** `sun_path` holds 108 bytes, its terminating NUL included (unix(7)). */
const UNIX_PATH_BYTES_MAX = 107;
export const SOCKADDR_BYTES_MAX = 128;
const SOCKADDR_IN_BYTES = 16;
/** The longest of an IP address. */
export const SOCKADDR_IN6_BYTES = 28;

const TEXT_OFFSET = 0;
const TEXT_BYTES = 64;
const BINARY_OFFSET = TEXT_BYTES;
const scratch = NativeBuffer.allocate(4096);

/** Writes an address as a `sockaddr` to the start of `target`; returns family and length. */
export function encodeSocketAddress(
  address: SocketAddress,
  target: Buffer,
): { readonly family: number; readonly length: number } {
  target.fill(0, 0, SOCKADDR_BYTES_MAX);
  if ('path' in address) {
    const length = Buffer.byteLength(address.path);
    if (length === 0 || length > UNIX_PATH_BYTES_MAX || address.path.includes('\0')) {
      const why = `a UNIX socket's path has 1 to ${UNIX_PATH_BYTES_MAX} bytes and no NUL`;
      throw new SluiceError('address-invalid', `${JSON.stringify(address.path)}: ${why}`, {
        blame: 'internal',
      });
    }
    writeNativeOrder16(target, AF_UNIX);
    target.write(address.path, 2);
    return { family: AF_UNIX, length: 2 + length + 1 };
  }
  const family = address.host.includes(':') ? AF_INET6 : AF_INET;
  const binary = parseIp(address.host, family);
  if (!Number.isInteger(address.port) || address.port < 0 || address.port > 65_535) {
    throw new SluiceError('address-invalid', `${address.port} is not a port (0 to 65535)`, {
      blame: 'internal',
    });
  }
  writeNativeOrder16(target, family);
  target.writeUInt16BE(address.port, 2);
  target.set(binary, family === AF_INET ? 4 : 8);
  return { family, length: family === AF_INET ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES };
}

function writeNativeOrder16(target: Buffer, value: number): void {
  // Both architectures we run on are little-endian.
  target.writeUInt16LE(value, 0);
}

function parseIp(host: string, family: number): Buffer {
  const { bytes } = scratch;
  const address = addressOf(scratch);
  // A longer text is no address; the check keeps it inside the scratch memory.
  const fits = host.length < TEXT_BYTES && !host.includes('\0');
  if (fits) bytes[TEXT_OFFSET + bytes.write(host, TEXT_OFFSET, TEXT_BYTES - 1)] = 0;
  const binary = address + BigInt(BINARY_OFFSET);
  if (!fits || libc.checked.inet_pton(family, address, binary) !== 1) {
    throw new SluiceError('address-invalid', `${JSON.stringify(host)} is not an IP address`, {
      blame: 'internal',
    });
  }
  return bytes.subarray(BINARY_OFFSET, BINARY_OFFSET + (family === AF_INET ? 4 : 16));
}

function formatIp6(binary: Uint8Array): string {
  const { bytes } = scratch;
  const address = addressOf(scratch);
  bytes.set(binary, BINARY_OFFSET);
  libc.checked.inet_ntop(AF_INET6, address + BigInt(BINARY_OFFSET), address, TEXT_BYTES);
  return bytes.toString('latin1', TEXT_OFFSET, bytes.indexOf(0, TEXT_OFFSET));
}

/** One end of a connection, taken from a `sockaddr`. Its text is made when first asked for. */
export class ConnectionAddress {
  readonly family: number;
  /** 0 for UNIX sockets. */
  readonly port: number;
  #binary: Uint8Array;
  #text = '';

  /** Copies what it needs of the `sockaddr` at the start of `source`. */
  constructor(source: Buffer) {
    this.family = source[0]! | (source[1]! << 8);
    this.port = this.family === AF_UNIX ? 0 : (source[2]! << 8) | source[3]!;
    const start = this.family === AF_INET ? 4 : 8;
    const length = this.family === AF_INET ? 4 : this.family === AF_INET6 ? 16 : 0;
    this.#binary = Uint8Array.prototype.slice.call(source, start, start + length);
  }

  /** `127.0.0.1`, `::1` or `unix`. An IPv4-mapped IPv6 address is shown as the IPv4 one it is. */
  get text(): string {
    if (this.#text === '') this.#text = this.#format();
    return this.#text;
  }

  #format(): string {
    if (this.family !== AF_INET && this.family !== AF_INET6) return 'unix';
    return addressTextOf(this.#binary);
  }
}

/** An address of 4 or 16 bytes, as above; '' for none. */
export function addressTextOf(bytes: Uint8Array): string {
  if (bytes.length === 16 && !isIp4Mapped(bytes)) return formatIp6(bytes);
  return bytes.subarray(-4).join('.');
}

/** `::ffff:0:0/96` (RFC 4291 §2.5.5.2): what a dual-stack listener shows of an IPv4 peer. */
export function isIp4Mapped(bytes: Uint8Array): boolean {
  for (let index = 0; index < 10; index++) if (bytes[index] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}
