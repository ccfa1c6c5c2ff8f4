/** Who a datagram came from and which of our addresses it came to: what an answer must be sent by. */
import { sameBytes } from '../../base/bytes.ts';
import { AF_INET, AF_INET6, isIp4Mapped } from '../socket-address.ts';

/** An address of ours as the kernel gives it: 4 or 16 bytes, and behind them the interface. */
export const LOCAL_BYTES = 20;

const INTERFACE_BYTES = 4;

/** How many paths are remembered at least; twice as many at most. */
const PATHS_KEPT = 8_192;

/** One for each pair of ends, as long as it is in use. */
export class DatagramPath {
  /** Equal for equal paths. */
  readonly key: string;
  /** Of the peer, 4 or 16 bytes: an IPv4 address is one, also to a socket of IPv6. */
  readonly peerIp: Uint8Array;
  readonly peerPort: number;
  /** `struct sockaddr`, as long as it is. */
  readonly sockaddr: Uint8Array;
  /** The address that the peer has asked, and its interface; empty when it is not known. */
  readonly local: Uint8Array;

  constructor(key: string, sockaddr: Uint8Array, local: Uint8Array) {
    this.key = key;
    this.sockaddr = Uint8Array.from(sockaddr);
    this.local = Uint8Array.from(local);
    this.peerPort = (sockaddr[2]! << 8) | sockaddr[3]!;
    const family = sockaddr[0]!;
    const at = family === AF_INET ? 4 : isIp4Mapped(sockaddr.subarray(8)) ? 20 : 8;
    this.peerIp = this.sockaddr.subarray(at, family === AF_INET6 ? 24 : 8);
  }

  get localIp(): Uint8Array {
    return this.local.subarray(0, Math.max(0, this.local.length - INTERFACE_BYTES));
  }

  get isIp4(): boolean {
    return this.peerIp.length === 4;
  }
}

/** Paths by their bytes, so that one pair has one object. Those long unused are forgotten. */
export class DatagramPaths {
  #young = new Map<string, DatagramPath>();
  #old = new Map<string, DatagramPath>();
  #last: DatagramPath | null = null;

  /** The path of a datagram from `sockaddr` to `local`. */
  of(sockaddr: Buffer, local: Buffer): DatagramPath {
    const last = this.#last;
    if (last !== null && sameBytes(last.sockaddr, sockaddr) && sameBytes(last.local, local))
      return last;
    const key = sockaddr.toString('latin1') + local.toString('latin1');
    const known = this.#young.get(key) ?? this.#old.get(key);
    const path = known ?? new DatagramPath(key, sockaddr, local);
    if (!this.#young.has(key)) this.#add(path);
    this.#last = path;
    return path;
  }

  #add(path: DatagramPath): void {
    if (this.#young.size >= PATHS_KEPT) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(path.key, path);
  }
}
