/**
 * Which socket of a group that shares a port (SO_REUSEPORT) gets a datagram of QUIC: the one whose
 * number the first byte of the destination connection ID gives. So a client's packets stay with one
 * worker wherever they come from (RFC 9000 §9), also before it has a connection ID of ours.
 *
 * A program of classic BPF needs no privilege. The kernel numbers the sockets by the order of their
 * binding, and moves the last one into the place of one that is closed: who opens them keeps them all.
 */
import { callError, lastErrno } from '../errno.ts';
import { libc } from '../libc-table.ts';
import { addressOf, NativeBuffer } from '../memory.ts';

const SOL_SOCKET = 1;
const SO_ATTACH_REUSEPORT_CBPF = 51;

// Codes of linux/bpf_common.h and linux/filter.h.
const LOAD_BYTE_ABSOLUTE = 0x30;
const JUMP_IF_ANY_BIT = 0x45;
const JUMP = 0x05;
const MODULO = 0x94;
const RETURN_ACCUMULATOR = 0x16;

/** Behind the first byte and the version, the length of the ID (RFC 9000 §17.2). */
const LONG_HEADER_ID_AT = 6;
const SHORT_HEADER_ID_AT = 1;
const LONG_HEADER = 0x80;

const INSTRUCTION_BYTES = 8;
const PROGRAM_OFFSET = 16;

/** The index of the socket for a destination connection ID, as the program reckons it. */
export function steeredIndex(firstByteOfId: number, sockets: number): number {
  return firstByteOfId % sockets;
}

/**
 * Steers the datagrams of a group of `sockets` sockets, of which `fd` is any. A datagram that is too
 * short for the byte goes to the first. Throws an Error when the kernel will not.
 */
export function steerByConnectionId(fd: number, sockets: number): void {
  const program: readonly (readonly [
    code: number,
    whenTrue: number,
    whenFalse: number,
    k: number,
  ])[] = [
    [LOAD_BYTE_ABSOLUTE, 0, 0, 0],
    [JUMP_IF_ANY_BIT, 0, 2, LONG_HEADER],
    [LOAD_BYTE_ABSOLUTE, 0, 0, LONG_HEADER_ID_AT],
    [JUMP, 0, 0, 1],
    [LOAD_BYTE_ABSOLUTE, 0, 0, SHORT_HEADER_ID_AT],
    [MODULO, 0, 0, sockets],
    [RETURN_ACCUMULATOR, 0, 0, 0],
  ];
  using memory = NativeBuffer.allocate(PROGRAM_OFFSET + INSTRUCTION_BYTES * program.length);
  const { bytes } = memory;
  const address = addressOf(memory);
  // struct sock_fprog: the number of instructions, and where they are.
  bytes.writeUInt16LE(program.length, 0);
  bytes.writeBigUInt64LE(address + BigInt(PROGRAM_OFFSET), 8);
  program.forEach(([code, whenTrue, whenFalse, k], index) => {
    const at = PROGRAM_OFFSET + INSTRUCTION_BYTES * index;
    bytes.writeUInt16LE(code, at);
    bytes[at + 2] = whenTrue;
    bytes[at + 3] = whenFalse;
    bytes.writeUInt32LE(k, at + 4);
  });
  const { setsockopt } = libc.checked;
  const status = setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, address, PROGRAM_OFFSET);
  if (status !== 0) throw callError('setsockopt SO_ATTACH_REUSEPORT_CBPF', lastErrno());
}
