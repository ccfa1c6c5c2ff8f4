/**
 * UDP sockets: many datagrams to a call in both directions (recvmmsg with UDP_GRO, sendmsg with
 * UDP_SEGMENT), with the bits of ECN and the address that was asked, so that a socket of all addresses
 * answers from the right one. Both families; on x86-64 and arm64 the structs are laid out alike.
 *
 * Where a network card or its driver cannot segment (EIO), or the kernel will not (EINVAL), datagrams
 * are sent one by one at once, and from then on.
 */
import { assert } from '../../base/assert.ts';
import type { SluiceError } from '../../base/errors.ts';
import type { SocketAddress } from '../../base/socket-address.ts';
import { counted } from '../counters.ts';
import { Errno, lastErrno } from '../errno.ts';
import { libc } from '../libc-table.ts';
import { addressOf, NativeBuffer, ownerOf } from '../memory.ts';
import {
  AF_INET6,
  encodeSocketAddress,
  SOCKADDR_BYTES_MAX,
  SOCKADDR_IN6_BYTES,
} from '../socket-address.ts';
import {
  addressError,
  adoptDescriptor,
  closeDescriptor,
  localAddress,
  noteOpened,
} from '../sockets.ts';
import { type DatagramPath, DatagramPaths, LOCAL_BYTES } from './datagram-path.ts';

// Names and values of the headers of Linux.
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x8_0000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_REUSEPORT = 15;
const SOL_IP = 0;
const IP_TOS = 1;
const IP_PKTINFO = 8;
const IP_MTU_DISCOVER = 10;
const IP_RECVTOS = 13;
const IP_PMTUDISC_PROBE = 3;
const SOL_IPV6 = 41;
const IPV6_MTU_DISCOVER = 23;
const IPV6_V6ONLY = 26;
const IPV6_RECVPKTINFO = 49;
const IPV6_PKTINFO = 50;
const IPV6_RECVTCLASS = 66;
const IPV6_TCLASS = 67;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;
const MSG_DONTWAIT = 0x40;

const ECN_BITS = 0x03;

/** Messages that are received in one call. With UDP_GRO each may be many datagrams. */
export const MESSAGES_PER_CALL = 16;
/** The longest message: of UDP, and of UDP_GRO. */
const MESSAGE_BYTES = 65_536;

/** What one send with UDP_SEGMENT may have: UDP_MAX_SEGMENTS of older kernels, and a UDP payload. */
const SEGMENTS_MAX = 64;
const SEGMENTED_BYTES_MAX = 65_000;

/** Asked of the kernel, which gives what net.core.rmem_max and wmem_max allow. */
const SOCKET_BUFFER_BYTES = 4_194_304;

// ------------------------------------------------------------------ memory of the calls

/** sizeof(struct mmsghdr), and where things are in it. */
const MMSGHDR_BYTES = 64;
const NAMELEN_WORD = 2;
const CONTROLLEN_WORD = 10;
const MSG_LEN_WORD = 14;
const IOVEC_BYTES = 16;
const NAME_BYTES = 32;
const CONTROL_BYTES = 160;
/** sizeof(struct cmsghdr). */
const CMSG_HEADER_BYTES = 16;

const IOVECS_OFFSET = MMSGHDR_BYTES * MESSAGES_PER_CALL;
const NAMES_OFFSET = IOVECS_OFFSET + IOVEC_BYTES * MESSAGES_PER_CALL;
const CONTROLS_OFFSET = NAMES_OFFSET + NAME_BYTES * MESSAGES_PER_CALL;
const RECEIVE_HEADS_BYTES = CONTROLS_OFFSET + CONTROL_BYTES * MESSAGES_PER_CALL;

/** What all sockets of the process receive with: what came is handled before the next call. */
interface ReceiveMemory {
  readonly content: NativeBuffer;
  readonly heads: NativeBuffer;
  readonly words: Uint32Array;
}

let receiveMemory: ReceiveMemory | null = null;

function memoryToReceive(): ReceiveMemory {
  if (receiveMemory !== null) return receiveMemory;
  const content = NativeBuffer.allocate(MESSAGE_BYTES * MESSAGES_PER_CALL);
  const heads = NativeBuffer.allocate(RECEIVE_HEADS_BYTES);
  const { bytes } = heads;
  const base = addressOf(heads);
  const contentBase = addressOf(content);
  for (let index = 0; index < MESSAGES_PER_CALL; index++) {
    const head = MMSGHDR_BYTES * index;
    const iovec = IOVECS_OFFSET + IOVEC_BYTES * index;
    bytes.writeBigUInt64LE(base + BigInt(NAMES_OFFSET + NAME_BYTES * index), head);
    bytes.writeBigUInt64LE(base + BigInt(iovec), head + 16);
    bytes.writeBigUInt64LE(1n, head + 24);
    bytes.writeBigUInt64LE(base + BigInt(CONTROLS_OFFSET + CONTROL_BYTES * index), head + 32);
    bytes.writeBigUInt64LE(contentBase + BigInt(MESSAGE_BYTES * index), iovec);
    bytes.writeBigUInt64LE(BigInt(MESSAGE_BYTES), iovec + 8);
  }
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, RECEIVE_HEADS_BYTES / 4);
  receiveMemory = { content, heads, words };
  return receiveMemory;
}

// One message is sent at a time: msghdr, iovec, name, control.
const SEND_IOVEC_OFFSET = 64;
const SEND_NAME_OFFSET = 80;
const SEND_CONTROL_OFFSET = 112;
const SEND_BYTES = 256;
const sendMemory = NativeBuffer.allocate(SEND_BYTES);
const sendAddress = addressOf(sendMemory);
const sendWords = new Uint32Array(sendMemory.bytes.buffer, 0, SEND_BYTES / 4);
const sendPointers = new BigUint64Array(sendMemory.bytes.buffer, 0, SEND_BYTES / 8);
const NAME_POINTER = 0;
const IOV_POINTER = 2;
const IOV_COUNT = 3;
const CONTROL_POINTER = 4;
const IOV_BASE = SEND_IOVEC_OFFSET / 8;
const IOV_LENGTH_WORD = SEND_IOVEC_OFFSET / 4 + 2;
sendPointers[NAME_POINTER] = sendAddress + BigInt(SEND_NAME_OFFSET);
sendPointers[IOV_POINTER] = sendAddress + BigInt(SEND_IOVEC_OFFSET);
sendPointers[IOV_COUNT] = 1n;
sendPointers[CONTROL_POINTER] = sendAddress + BigInt(SEND_CONTROL_OFFSET);

/** Where batches of JavaScript's memory are copied to. */
let copied: NativeBuffer | null = null;

const { recvmmsg, sendmsg } = libc.direct;
const option = NativeBuffer.allocate(4);
const optionAddress = addressOf(option);

// ------------------------------------------------------------------ in our words

/** A datagram as it came; one object for all. `bytes` is whole memory, worked on in place. */
export interface IncomingDatagram {
  bytes: Uint8Array;
  start: number;
  end: number;
  path: DatagramPath;
  /** The two bits of ECN (RFC 3168 §5). */
  ecn: 0 | 1 | 2 | 3;
}

/** Datagrams of `segmentBytes` each, the last one perhaps shorter, to one path. */
export interface OutgoingDatagrams {
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly segmentBytes: number;
  readonly path: unknown;
  readonly ecn: number;
}

/** As `SendOutcome` of quic/contracts.ts. */
type Outcome = 'sent' | 'blocked' | 'tooLarge' | 'failed';

/** Returns a count of bytes or a negative errno. Tests play a kernel that refuses. */
export type SendMessage = (fd: number, message: bigint, flags: number) => number;

const sendToKernel: SendMessage = (fd, message, flags) => {
  const count = sendmsg(fd, message, flags);
  return count >= 0 ? count : -lastErrno();
};

export interface DatagramOptions {
  /** Lets several sockets share the port. */
  readonly reusePort?: boolean;
  /** Whether `::` takes IPv6 peers only instead of IPv4 ones too. */
  readonly ipv6Only?: boolean;
}

/**
 * Opens a UDP socket, non-blocking and closed on exec (unless passed on through stdio). Throws
 * SluiceError as `openListeningSocket` does.
 */
export function openDatagramSocket(address: SocketAddress, options: DatagramOptions = {}): number {
  using sockaddr = NativeBuffer.allocate(SOCKADDR_BYTES_MAX);
  const { family, length } = encodeSocketAddress(address, sockaddr.bytes);
  const fd = libc.checked.socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw addressError(address, lastErrno());
  counted('fd', 1);
  if (options.reusePort === true) setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (family === AF_INET6) {
    setOption(fd, SOL_IPV6, IPV6_V6ONLY, options.ipv6Only === true ? 1 : 0);
  }
  if (libc.checked.bind(fd, addressOf(sockaddr), length) === 0) {
    noteOpened(fd);
    return fd;
  }
  const error: SluiceError = addressError(address, lastErrno());
  closeDescriptor(fd);
  throw error;
}

/** What the kernel does not know it goes without. */
function setOption(fd: number, level: number, name: number, value: number): void {
  option.bytes.writeInt32LE(value, 0);
  libc.checked.setsockopt(fd, level, name, optionAddress, 4);
}

export class DatagramSocket implements Disposable {
  readonly fd: number;
  readonly port: number;
  readonly #isIp6: boolean;
  readonly #paths = new DatagramPaths();
  readonly #sendMessage: SendMessage;
  #isSegmenting = true;
  #isClosed = false;
  readonly #incoming: IncomingDatagram;

  /** Takes a descriptor over: one opened above, or inherited from the parent. */
  constructor(fd: number, sendMessage: SendMessage = sendToKernel) {
    adoptDescriptor(fd);
    this.fd = fd;
    this.#sendMessage = sendMessage;
    const { port, family } = localAddress(fd);
    this.port = port;
    this.#isIp6 = family === AF_INET6;
    this.#setUp();
    const path = this.#paths.of(Buffer.alloc(16), Buffer.alloc(0));
    this.#incoming = { bytes: memoryToReceive().content.bytes, start: 0, end: 0, path, ecn: 0 };
  }

  #setUp(): void {
    const { fd } = this;
    if (this.#isIp6) {
      setOption(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1);
      setOption(fd, SOL_IPV6, IPV6_RECVTCLASS, 1);
      setOption(fd, SOL_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    } else {
      setOption(fd, SOL_IP, IP_PKTINFO, 1);
    }
    // An IPv6 socket has IPv4 peers, too, unless it does not want them.
    setOption(fd, SOL_IP, IP_RECVTOS, 1);
    setOption(fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    setOption(fd, SOL_UDP, UDP_GRO, 1);
    setOption(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER_BYTES);
    setOption(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER_BYTES);
  }

  /** Whether one call may send several datagrams still. */
  get isSegmenting(): boolean {
    return this.#isSegmenting;
  }

  /**
   * Receives once, and has every datagram handled; each is valid until `handle` returns. Returns how
   * many messages came: fewer than MESSAGES_PER_CALL when no more wait.
   */
  receive(handle: (datagram: IncomingDatagram) => void): number {
    assert(!this.#isClosed, 'the socket is open');
    const { words, heads } = memoryToReceive();
    for (let index = 0; index < MESSAGES_PER_CALL; index++) {
      const head = (MMSGHDR_BYTES / 4) * index;
      words[head + NAMELEN_WORD] = NAME_BYTES;
      words[head + CONTROLLEN_WORD] = CONTROL_BYTES;
    }
    const count = recvmmsg(this.fd, addressOf(heads), MESSAGES_PER_CALL, MSG_DONTWAIT, 0n);
    for (let index = 0; index < count && !this.#isClosed; index++) this.#hand(index, handle);
    return Math.max(0, count);
  }

  #hand(index: number, handle: (datagram: IncomingDatagram) => void): void {
    const { words, heads } = memoryToReceive();
    const { bytes } = heads;
    const head = (MMSGHDR_BYTES / 4) * index;
    const nameAt = NAMES_OFFSET + NAME_BYTES * index;
    const nameEnd = nameAt + Math.min(words[head + NAMELEN_WORD]!, SOCKADDR_IN6_BYTES);
    const control = readControl(bytes, CONTROLS_OFFSET + CONTROL_BYTES * index, words[head + 10]!);
    const incoming = this.#incoming;
    incoming.path = this.#paths.of(bytes.subarray(nameAt, nameEnd), control.local());
    incoming.ecn = control.ecn;
    const begin = MESSAGE_BYTES * index;
    const end = begin + words[head + MSG_LEN_WORD]!;
    const step = control.segmentBytes || end - begin;
    for (let at = begin; at < end && !this.#isClosed; at += step) {
      incoming.start = at;
      incoming.end = Math.min(at + step, end);
      handle(incoming);
    }
  }

  send(batch: OutgoingDatagrams): Outcome {
    assert(!this.#isClosed, 'the socket is open');
    const { length, segmentBytes } = batch;
    assert(segmentBytes > 0 && length <= batch.bytes.length, 'datagrams have bytes');
    const native = ownerOf(batch.bytes);
    const base = addressOf(native ?? copyToSend(batch.bytes, length));
    const path = batch.path as DatagramPath;
    sendWords[NAMELEN_WORD] = path.sockaddr.length;
    sendMemory.bytes.set(path.sockaddr, SEND_NAME_OFFSET);
    const controlBytes = writeControl(path, batch.ecn, this.#isIp6);
    const perCall = this.#segmentsPerCall(segmentBytes);
    for (let at = 0; at < length; ) {
      const count = Math.min(
        length - at,
        this.#isSegmenting ? perCall * segmentBytes : segmentBytes,
      );
      const outcome = this.#sendOnce(base + BigInt(at), count, segmentBytes, controlBytes);
      // To be tried again one by one, from here on.
      if (outcome === 'unsegmented') continue;
      if (outcome !== 'sent') return outcome;
      at += count;
    }
    return 'sent';
  }

  #segmentsPerCall(segmentBytes: number): number {
    const fitting = Math.floor(SEGMENTED_BYTES_MAX / segmentBytes);
    return Math.max(1, Math.min(SEGMENTS_MAX, fitting));
  }

  #sendOnce(
    address: bigint,
    count: number,
    segmentBytes: number,
    controlBytes: number,
  ): Outcome | 'unsegmented' {
    // For a single datagram some drivers refuse it.
    const isSegmented = count > segmentBytes;
    sendPointers[IOV_BASE] = address;
    sendWords[IOV_LENGTH_WORD] = count;
    const segments = isSegmented ? writeSegment(controlBytes, segmentBytes) : 0;
    sendWords[CONTROLLEN_WORD] = controlBytes + segments;
    const errno = -this.#sendMessage(this.fd, sendAddress, MSG_DONTWAIT);
    if (errno <= 0) return 'sent';
    if (errno === Errno.EAGAIN) return 'blocked';
    if (isSegmented && (errno === Errno.EIO || errno === Errno.EINVAL)) {
      this.#isSegmenting = false;
      return 'unsegmented';
    }
    if (errno !== Errno.EMSGSIZE) return 'failed';
    return isSegmented ? this.#lookForSize(address, segmentBytes, controlBytes) : 'tooLarge';
  }

  /** EMSGSIZE: either no datagram of the size goes, or only not so many at once. */
  #lookForSize(
    address: bigint,
    segmentBytes: number,
    controlBytes: number,
  ): Outcome | 'unsegmented' {
    const outcome = this.#sendOnce(address, segmentBytes, segmentBytes, controlBytes);
    if (outcome !== 'sent') return outcome;
    // It has gone, and goes once more: a datagram that comes twice is dropped by QUIC.
    this.#isSegmenting = false;
    return 'unsegmented';
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeDescriptor(this.fd);
  }
}

function copyToSend(bytes: Uint8Array, length: number): NativeBuffer {
  copied ??= NativeBuffer.allocate(MESSAGE_BYTES);
  copied.bytes.set(bytes.subarray(0, length));
  return copied;
}

// ------------------------------------------------------------------ control messages

/** What the kernel has said beside a message; one object for all. */
class Control {
  ecn: 0 | 1 | 2 | 3 = 0;
  /** With UDP_GRO; 0 for one datagram. */
  segmentBytes = 0;
  readonly #local = Buffer.alloc(LOCAL_BYTES);
  #localBytes = 0;

  clear(): void {
    this.ecn = 0;
    this.segmentBytes = 0;
    this.#localBytes = 0;
  }

  keepLocal(bytes: Buffer, ipAt: number, ipBytes: number, interfaceAt: number): void {
    bytes.copy(this.#local, 0, ipAt, ipAt + ipBytes);
    bytes.copy(this.#local, ipBytes, interfaceAt, interfaceAt + 4);
    this.#localBytes = ipBytes + 4;
  }

  local(): Buffer {
    return this.#local.subarray(0, this.#localBytes);
  }
}

const control = new Control();

function readControl(bytes: Buffer, start: number, length: number): Control {
  control.clear();
  const end = start + length;
  for (let at = start; at + CMSG_HEADER_BYTES <= end; ) {
    const size = bytes.readUInt32LE(at);
    if (size < CMSG_HEADER_BYTES) break;
    const level = bytes.readInt32LE(at + 8);
    const type = bytes.readInt32LE(at + 12);
    const data = at + CMSG_HEADER_BYTES;
    if (level === SOL_IP && type === IP_TOS) control.ecn = ecnOf(bytes[data]!);
    else if (level === SOL_IPV6 && type === IPV6_TCLASS) control.ecn = ecnOf(bytes[data]!);
    else if (level === SOL_UDP && type === UDP_GRO) control.segmentBytes = bytes.readInt32LE(data);
    else if (level === SOL_IP && type === IP_PKTINFO) {
      // struct in_pktinfo: interface, the address to answer from, the address of the header.
      control.keepLocal(bytes, data + 4, 4, data);
    } else if (level === SOL_IPV6 && type === IPV6_PKTINFO) {
      control.keepLocal(bytes, data, 16, data + 16);
    }
    at += (size + 7) & ~7;
  }
  return control;
}

function ecnOf(trafficClass: number): 0 | 1 | 2 | 3 {
  return (trafficClass & ECN_BITS) as 0 | 1 | 2 | 3;
}

/** Writes what goes with every datagram to a path; returns how many bytes. */
function writeControl(path: DatagramPath, ecn: number, isIp6Socket: boolean): number {
  let at = writeLocal(path);
  if (ecn === 0) return at;
  const isIp6 = isIp6Socket && !path.isIp4;
  at += writeHead(at, 4, isIp6 ? SOL_IPV6 : SOL_IP, isIp6 ? IPV6_TCLASS : IP_TOS);
  sendMemory.bytes.writeInt32LE(ecn, SEND_CONTROL_OFFSET + at - 8);
  return at;
}

function writeLocal({ local }: DatagramPath): number {
  if (local.length === 0) return 0;
  const { bytes } = sendMemory;
  const data = SEND_CONTROL_OFFSET + CMSG_HEADER_BYTES;
  if (local.length === 8) {
    const size = writeHead(0, 12, SOL_IP, IP_PKTINFO);
    // No interface: which one leads there, routes know; an address of ours may be on another.
    bytes.writeUInt32LE(0, data);
    bytes.set(local.subarray(0, 4), data + 4);
    bytes.writeUInt32LE(0, data + 8);
    return size;
  }
  const size = writeHead(0, 20, SOL_IPV6, IPV6_PKTINFO);
  bytes.set(local.subarray(0, 16), data);
  // fe80::/10 means nothing without its interface (RFC 4007).
  const isLinkLocal = local[0] === 0xfe && (local[1]! & 0xc0) === 0x80;
  if (isLinkLocal) bytes.set(local.subarray(16, 20), data + 16);
  else bytes.writeUInt32LE(0, data + 16);
  return size;
}

function writeSegment(at: number, segmentBytes: number): number {
  const size = writeHead(at, 2, SOL_UDP, UDP_SEGMENT);
  sendMemory.bytes.writeUInt16LE(segmentBytes, SEND_CONTROL_OFFSET + at + CMSG_HEADER_BYTES);
  return size;
}

/** Returns the size of the control message with its padding. */
function writeHead(at: number, dataBytes: number, level: number, type: number): number {
  const word = (SEND_CONTROL_OFFSET + at) / 4;
  sendWords[word] = CMSG_HEADER_BYTES + dataBytes;
  sendWords[word + 1] = 0;
  sendWords[word + 2] = level;
  sendWords[word + 3] = type;
  return CMSG_HEADER_BYTES + ((dataBytes + 7) & ~7);
}
