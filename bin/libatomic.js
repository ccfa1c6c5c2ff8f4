/**
 * The one function of libatomic.so.1 that the pinned Node is linked with, as a library of its own.
 *
 * Node's builds from 25 on need that library, and a Debian without a compiler does not have it: there
 * the runtime that npm has installed would not start. V8 uses `__atomic_compare_exchange`, always
 * with 8 bytes (its table of WebAssembly code pointers), which is one instruction on x64 and a loop
 * of two on arm64. Any other size traps. A machine's own libatomic is used wherever there is one.
 *
 * Plain JavaScript, for whatever Node runs it first.
 */
import { existsSync, lstatSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';

const NAME = 'libatomic.so.1';
const VERSION = 'LIBATOMIC_1.0';
const FUNCTION = '__atomic_compare_exchange';

/** Instructions, and e_machine of the ELF header. Arguments: size, object, expected, desired. */
const machines = {
  x64: {
    machine: 62,
    code:
      '4883ff08' + // cmp rdi, 8
      '7519' + // jne trap
      '488b02' + // mov rax, [rdx]
      '488b09' + // mov rcx, [rcx]
      'f0480fb10e' + // lock cmpxchg [rsi], rcx
      '7506' + // jne differs
      'b801000000' + // mov eax, 1
      'c3' + // ret
      '488902' + // differs: mov [rdx], rax
      '31c0' + // xor eax, eax
      'c3' + // ret
      '0f0b', // trap: ud2
  },
  arm64: {
    machine: 183,
    code:
      '1f2000f1' + // cmp x0, #8
      'c1010054' + // b.ne trap
      '440040f9' + // ldr x4, [x2]
      '630040f9' + // ldr x3, [x3]
      '25fc5fc8' + // again: ldaxr x5, [x1]
      'bf0004eb' + // cmp x5, x4
      'a1000054' + // b.ne differs
      '23fc06c8' + // stlxr w6, x3, [x1]
      '86ffff35' + // cbnz w6, again
      '20008052' + // mov w0, #1
      'c0035fd6' + // ret
      '5f3f03d5' + // differs: clrex
      '450000f9' + // str x5, [x2]
      '00008052' + // mov w0, #0
      'c0035fd6' + // ret
      '000020d4', // trap: brk #0
  },
};

/** Where glibc's distributions keep libraries, besides what ld.so.conf adds. */
const directories = ['/lib', '/usr/lib', '/lib64', '/usr/lib64', '/usr/local/lib'].flatMap(
  (path) => [path, join(path, 'x86_64-linux-gnu'), join(path, 'aarch64-linux-gnu')],
);

/** Whether this machine lacks the library. */
export function isMissing() {
  const given = (process.env.LD_LIBRARY_PATH ?? '').split(':').filter(Boolean);
  return ![...directories, ...given].some((directory) => existsSync(join(directory, NAME)));
}

/** The user's own directory for what can be made again. Others could put code into a shared one. */
export function cacheDirectory() {
  const base = process.env.XDG_CACHE_HOME ?? '';
  // A HOME that is empty or relative would mean the directory that we are started in, which may be others'.
  const home = isAbsolute(homedir()) ? homedir() : userInfo().homedir;
  const wanted = join(isAbsolute(base) ? base : join(home, '.cache'), 'sluice');
  // With the HOME of another user kept, as by sudo -E, root would run that user's code.
  return isOwn(wanted) ? wanted : join(userInfo().homedir, '.cache', 'sluice');
}

/** For root: whether nobody else can put anything there, at any level that there is. */
export function isOwn(path) {
  if (process.geteuid?.() !== 0) return true;
  // In a sticky directory others cannot move what is there; they can make what is not.
  let isThere = false;
  for (let at = resolve(path); ; at = dirname(at)) {
    const seen = [lstatSync, statSync].map((look) => look(at, { throwIfNoEntry: false }));
    for (const stats of seen.filter((one) => one !== undefined)) {
      const isSticky = (stats.mode & 0o1000) !== 0 && isThere;
      const isOpen = !stats.isSymbolicLink() && (stats.mode & 0o022) !== 0 && !isSticky;
      if (stats.uid !== 0 || isOpen) return false;
    }
    isThere = seen[0] !== undefined;
    if (at === dirname(at)) return true;
  }
}

/** The environment in which the pinned Node starts, with the library written where it is missing. */
export function runtimeEnvironment() {
  if (!isMissing()) return process.env;
  const directory = join(cacheDirectory(), 'lib');
  writeLibrary(directory);
  return { ...process.env, LD_LIBRARY_PATH: pathWith(directory) };
}

/** Writes the library into the directory; throws as `fs` does. */
export function writeLibrary(directory, arch = process.arch) {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, NAME);
  // In one step: another process may be loading it.
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, library(machines[arch]), { mode: 0o755 });
  renameSync(temporary, path);
}

/** LD_LIBRARY_PATH with the directory, behind what is there. */
function pathWith(directory) {
  const given = process.env.LD_LIBRARY_PATH ?? '';
  return given === '' ? directory : `${given}:${directory}`;
}

/**
 * An ELF shared object (System V ABI, gABI chapters 4 and 5; symbol versions as in the Linux Standard
 * Base 5.0, Core, 10.7): headers, what the dynamic linker looks up, the code, and the dynamic section.
 */
function library({ machine, code }) {
  const strings = Buffer.from(`\0${NAME}\0${VERSION}\0${FUNCTION}\0`);
  const stringAt = (text) => strings.indexOf(`\0${text}\0`) + 1;
  const instructions = Buffer.from(code, 'hex');
  const HEADERS = 64 + 4 * 56;
  // One bucket, and a chain from the function, symbol 1, to the end.
  const hash = numbers(4, [1, 2, 1, 0, 0]);
  const versions = numbers(2, [0, 2]);
  const definitions = Buffer.concat([
    definition({ flags: 1, index: 1, name: NAME, nameAt: stringAt(NAME), next: 28 }),
    definition({ flags: 0, index: 2, name: VERSION, nameAt: stringAt(VERSION), next: 0 }),
  ]);
  const at = {};
  let end = HEADERS;
  const parts = { hash, symbols: Buffer.alloc(48), strings, versions, definitions, instructions };
  for (const [name, bytes] of Object.entries(parts)) {
    at[name] = end = aligned(end);
    end += bytes.length;
  }
  at.dynamic = aligned(end);
  // st_name; st_info: global function; st_shndx: any section but none; st_value; st_size.
  parts.symbols.writeUInt32LE(stringAt(FUNCTION), 24);
  parts.symbols.writeUInt8(0x12, 28);
  parts.symbols.writeUInt16LE(1, 30);
  parts.symbols.writeBigUInt64LE(BigInt(at.instructions), 32);
  parts.symbols.writeBigUInt64LE(BigInt(instructions.length), 40);
  parts.dynamic = dynamicSection(at, parts, stringAt(NAME));
  const file = Buffer.alloc(at.dynamic + parts.dynamic.length);
  for (const [name, bytes] of Object.entries(parts)) bytes.copy(file, at[name]);
  writeHeaders(file, machine, end, at.dynamic);
  return file;
}

const aligned = (offset) => (offset + 7) & ~7;

function numbers(width, values) {
  const bytes = Buffer.alloc(width * values.length);
  for (const [i, value] of values.entries()) bytes.writeUIntLE(value, i * width, width);
  return bytes;
}

/** Elfxx_Verdef and its one Elfxx_Verdaux. */
function definition({ flags, index, name, nameAt, next }) {
  return Buffer.concat([
    numbers(2, [1, flags, index, 1]),
    numbers(4, [hashOf(name), 20, next, nameAt, 0]),
  ]);
}

/** The hash function of the System V ABI. */
function hashOf(name) {
  let hash = 0;
  for (const byte of Buffer.from(name)) {
    hash = (hash << 4) + byte;
    const high = hash & 0xf0000000;
    hash = (hash ^ (high >>> 24)) & ~high;
  }
  return hash >>> 0;
}

/** Pages are 64 KiB at most: what is written to is mapped that much further on than it is in the file. */
const PAGE = 0x10000;

function dynamicSection(at, { strings }, soname) {
  const entries = [
    [14, soname], // DT_SONAME
    [4, at.hash], // DT_HASH
    [5, at.strings], // DT_STRTAB
    [6, at.symbols], // DT_SYMTAB
    [10, strings.length], // DT_STRSZ
    [11, 24], // DT_SYMENT
    [0x6ffffff0, at.versions], // DT_VERSYM
    [0x6ffffffc, at.definitions], // DT_VERDEF
    [0x6ffffffd, 2], // DT_VERDEFNUM
    [0, 0], // DT_NULL
  ];
  return Buffer.concat(
    entries.map(([tag, value]) => {
      const entry = Buffer.alloc(16);
      entry.writeBigUInt64LE(BigInt(tag));
      entry.writeBigUInt64LE(BigInt(value), 8);
      return entry;
    }),
  );
}

function writeHeaders(file, machine, codeEnd, dynamicAt) {
  Buffer.from('7f454c46020101', 'hex').copy(file);
  file.writeUInt16LE(3, 16); // ET_DYN
  file.writeUInt16LE(machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(4, 56);
  file.writeUInt16LE(64, 58);
  const length = file.length - dynamicAt;
  const [R, W, X] = [4, 2, 1];
  const segments = [
    { type: 1, flags: R | X, offset: 0, address: 0, length: codeEnd, alignment: PAGE }, // PT_LOAD
    // The dynamic linker writes addresses into it.
    {
      type: 1,
      flags: R | W,
      offset: dynamicAt,
      address: PAGE + dynamicAt,
      length,
      alignment: PAGE,
    },
    { type: 2, flags: R | W, offset: dynamicAt, address: PAGE + dynamicAt, length, alignment: 8 },
    // PT_GNU_STACK: without it, stacks would be made executable.
    { type: 0x6474e551, flags: R | W, offset: 0, address: 0, length: 0, alignment: 16 },
  ];
  for (const [i, { type, flags, offset, address, length: size, alignment }] of segments.entries()) {
    const start = 64 + i * 56;
    file.writeUInt32LE(type, start);
    file.writeUInt32LE(flags, start + 4);
    const words = [offset, address, address, size, size, alignment];
    for (const [j, word] of words.entries()) {
      file.writeBigUInt64LE(BigInt(word), start + 8 + 8 * j);
    }
  }
}
