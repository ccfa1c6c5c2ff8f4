/**
 * Which socket of a group that shares a port (SO_REUSEPORT) gets a datagram of QUIC: the one that its
 * destination connection ID names. So a client's packets stay with one worker wherever they come from
 * (RFC 9000 §9), also before it has a connection ID of ours.
 *
 * Sockets are of generations, as many in each. New connections go to the current one; those of the
 * others stay there as long as somebody reads them: so one sluice can take over from another. What is
 * for a generation that nobody reads goes to the current one, where it is answered with a reset.
 *
 * A program of classic BPF needs no privilege. The kernel numbers the sockets by the order of their
 * binding, and moves the last one into the place of one that is closed: who opens them keeps them all.
 */
import { assert } from '../../base/assert.ts';
import { STEERED_ID_BYTES, STEERED_ID_MASKS } from '../../base/steered-ids.ts';
import { callError, lastErrno } from '../errno.ts';
import { libc } from '../libc-table.ts';
import { addressOf, NativeBuffer } from '../memory.ts';

const SOL_SOCKET = 1;
const SO_ATTACH_REUSEPORT_CBPF = 51;

// Codes of linux/bpf_common.h and linux/filter.h.
const LOAD_BYTE = 0x30;
const JUMP_IF_ANY_BIT = 0x45;
const JUMP_IF_EQUAL = 0x15;
const JUMP_IF_EQUAL_X = 0x1d;
const JUMP_IF_NOT_LESS = 0x35;
const ADD = 0x04;
const MODULO = 0x94;
const XOR = 0xa4;
const XOR_X = 0xac;
const COPY_TO_X = 0x07;
const RETURN = 0x16;

/** Behind the first byte and the version (RFC 9000 §17.2). */
const ID_LENGTH_AT = 5;
const LONG_HEADER_ID_AT = 6;
const SHORT_HEADER_ID_AT = 1;
const LONG_HEADER = 0x80;
/** Of a long header: Handshake or Retry, and not Initial or 0-RTT. */
const LATER_TYPES = 0x20;

const INSTRUCTION_BYTES = 8;
const PROGRAM_OFFSET = 16;

/** How the sockets of a group are used. They are numbered generation by generation. */
export interface SocketSteering {
  /** Sockets of each generation. */
  readonly slots: number;
  readonly generations: number;
  /** The one that new connections are for. */
  readonly current: number;
  /** Others that somebody reads. */
  readonly others: readonly number[];
}

type Instruction = readonly [code: number, whenTrue: number, whenFalse: number, k: number];

type Piece = readonly Instruction[];

/** By the first byte of an ID of ours: to its generation while that is read, else to the current one. */
function byOurId({ slots, generations, current, others }: SocketSteering, idAt: number): Piece {
  return [
    [LOAD_BYTE, 0, 0, idAt],
    [MODULO, 0, 0, slots * generations],
    ...others.flatMap((generation): Instruction[] => [
      [JUMP_IF_NOT_LESS, 0, 2, generation * slots],
      [JUMP_IF_NOT_LESS, 1, 0, (generation + 1) * slots],
      [RETURN, 0, 0, 0],
    ]),
    ...inCurrent({ slots, current }),
  ];
}

function inCurrent({ slots, current }: Pick<SocketSteering, 'slots' | 'current'>): Piece {
  return [
    [MODULO, 0, 0, slots],
    [ADD, 0, 0, current * slots],
    [RETURN, 0, 0, 0],
  ];
}

/** Looks whether the ID of a long header is one of ours; if not, jumps over `after` instructions. */
function checkOfOurs(after: number): Piece {
  const bytes = STEERED_ID_MASKS.flatMap((mask, i): Instruction[] => [
    [LOAD_BYTE, 0, 0, LONG_HEADER_ID_AT + 3 + i],
    [COPY_TO_X, 0, 0, 0],
    [LOAD_BYTE, 0, 0, LONG_HEADER_ID_AT],
    [XOR_X, 0, 0, 0],
    [XOR, 0, 0, mask],
    [COPY_TO_X, 0, 0, 0],
    [LOAD_BYTE, 0, 0, LONG_HEADER_ID_AT + 1 + i],
    [JUMP_IF_EQUAL_X, 0, -1, 0],
  ]);
  const check: Instruction[] = [
    [LOAD_BYTE, 0, 0, ID_LENGTH_AT],
    [JUMP_IF_EQUAL, 0, -1, STEERED_ID_BYTES],
    ...bytes,
  ];
  return check.map(([code, yes, no, k], at) => {
    const out = check.length - at - 1 + after;
    return [code, yes, no === -1 ? out : no, k];
  });
}

function programFor(steering: SocketSteering): Piece {
  const short = byOurId(steering, SHORT_HEADER_ID_AT);
  const ours = byOurId(steering, LONG_HEADER_ID_AT);
  const check = checkOfOurs(ours.length);
  return [
    [LOAD_BYTE, 0, 0, 0],
    [JUMP_IF_ANY_BIT, short.length, 0, LONG_HEADER],
    ...short,
    // Later packets have an ID of ours without a look.
    [JUMP_IF_ANY_BIT, check.length, 0, LATER_TYPES],
    ...check,
    ...ours,
    [LOAD_BYTE, 0, 0, LONG_HEADER_ID_AT],
    ...inCurrent(steering),
  ];
}

/**
 * Steers the datagrams of a group of sockets, of which `fd` is any. A datagram that is too short for
 * the bytes that are looked at goes to the first. Throws an Error when the kernel will not.
 */
export function steerByConnectionId(fd: number, steering: SocketSteering): void {
  const program = programFor(steering);
  using memory = NativeBuffer.allocate(PROGRAM_OFFSET + INSTRUCTION_BYTES * program.length);
  const { bytes } = memory;
  const address = addressOf(memory);
  // struct sock_fprog: the number of instructions, and where they are.
  bytes.writeUInt16LE(program.length, 0);
  bytes.writeBigUInt64LE(address + BigInt(PROGRAM_OFFSET), 8);
  program.forEach(([code, whenTrue, whenFalse, k], index) => {
    const at = PROGRAM_OFFSET + INSTRUCTION_BYTES * index;
    assert(whenTrue <= 0xff && whenFalse <= 0xff, 'a jump of BPF is a byte');
    bytes.writeUInt16LE(code, at);
    bytes[at + 2] = whenTrue;
    bytes[at + 3] = whenFalse;
    bytes.writeUInt32LE(k, at + 4);
  });
  const { setsockopt } = libc.checked;
  const status = setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, address, PROGRAM_OFFSET);
  if (status !== 0) throw callError('setsockopt SO_ATTACH_REUSEPORT_CBPF', lastErrno());
}
