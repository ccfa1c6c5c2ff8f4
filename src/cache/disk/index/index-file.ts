/**
 * Reads the index's file as LMDB lays it out, page by page and believing nothing: LMDB itself takes
 * its file for whole, and ends the process where it is not. Every page that can be reached is looked
 * at, those that are free as well; damage to what nothing refers to is none.
 *
 * Layout: LMDB 1.0, `struct MDB_meta`, `MDB_page_header`, `MDB_db`, `MDB_node` of mdb.c.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const PAGE_BYTES_MIN = 4_096;
const PAGE_BYTES_MAX = 65_536;

/** Of a page: its number, the transaction that wrote it, flags, and where its free room is. */
const HEADER_BYTES = 24;
const TRANSACTION_AT = 8;
const FLAGS_AT = 18;
const LOWER_AT = 20;
const UPPER_AT = 22;
/** Instead of the room: how many pages follow one another. */
const RUN_AT = 20;

const BRANCH = 1;
const LEAF = 2;
const OVERFLOW = 4;
const META = 8;

/** Of a meta page, from its header on. */
const META_MAP_BYTES_AT = 16;
const META_FREE_AT = 24;
const META_MAIN_AT = 72;
const META_LAST_PAGE_AT = 120;
const META_TRANSACTION_AT = 128;
const META_BYTES = 144;

/** Of the tree of free pages, whose keys are numbers; and a mark of what is not on the device yet. */
const FREE_FLAGS = 8;
const SYNC_PENDING = 0x1000;

/** Address space for the index: 64 GiB maps some 300 million entries and costs nothing unused. */
export const INDEX_MAP_BYTES = 2 ** 36;

/** Of a tree: MDB_db. */
const TREE_BYTES = 48;

const NODE_BYTES = 8;
const NODE_BIG = 1;
const NODE_TREE = 2;

/** Trees are never as deep: LMDB's CURSOR_STACK. */
const DEPTH_MAX = 32;

/** The least that an index is: two meta pages. */
export const META_PAGES_BYTES = 2 * PAGE_BYTES_MIN;

/** An index with nothing in it, as LMDB would begin it. */
export const EMPTY_INDEX: Buffer = emptyIndex();

/** What is read of a tree. */
export type NodeVisitor = (key: Buffer, value: Buffer) => void;

/**
 * What makes the index of a cache directory useless; null when it can be used, or is not there. While
 * others may be writing to it no more is looked at than what never changes.
 */
export function findIndexDamage(directory: string, isWritten = false): string | null {
  const path = join(directory, 'index', 'data.mdb');
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0) return null;
  try {
    if (isWritten) withFile(path, demandIndex);
    else readIndexFile(path, {});
    return null;
  } catch (error) {
    return `its index is damaged: ${(error as Error).message}`;
  }
}

/** Throws what LMDB would refuse the open file for. */
export function demandIndex(fd: number): void {
  const { pageBytes } = metaAt(bytesOf(fd, 0, PAGE_BYTES_MIN));
  const other = metaAt(bytesOf(fd, pageBytes, PAGE_BYTES_MIN));
  demand(other.pageBytes === pageBytes, 'its two meta pages differ');
}

function bytesOf(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  demand(readSync(fd, bytes, 0, length, offset) === length, 'it is cut short');
  return bytes;
}

function emptyIndex(): Buffer {
  const bytes = Buffer.alloc(META_PAGES_BYTES);
  for (const number of [0, 1]) {
    const page = bytes.subarray(number * PAGE_BYTES_MIN);
    page.writeUInt32LE(number, 0);
    page.writeUInt16LE(META, FLAGS_AT);
    const meta = page.subarray(HEADER_BYTES);
    meta.writeUInt32LE(MAGIC, 0);
    meta.writeUInt32LE(DATA_VERSION, 4);
    meta.writeBigUInt64LE(BigInt(INDEX_MAP_BYTES), META_MAP_BYTES_AT);
    meta.writeUInt32LE(PAGE_BYTES_MIN, META_FREE_AT);
    meta.writeUInt16LE(FREE_FLAGS, META_FREE_AT + 4);
    for (const tree of [META_FREE_AT, META_MAIN_AT]) meta.fill(0xff, tree + 40, tree + 48);
    meta.writeUInt32LE(1, META_LAST_PAGE_AT);
  }
  return bytes;
}

/**
 * Reads all of the file, and hands on what is in trees by their names. Throws for what LMDB could not
 * live with. Nobody may be writing to it.
 */
export function readIndexFile(path: string, visitors: Readonly<Record<string, NodeVisitor>>): void {
  withFile(path, (fd) => new IndexFile(fd, visitors).read());
}

function withFile(path: string, body: (fd: number) => void): void {
  const fd = openSync(path, 'r');
  try {
    body(fd);
  } finally {
    closeSync(fd);
  }
}

interface Tree {
  readonly flags: number;
  readonly depth: number;
  readonly branches: number;
  readonly leaves: number;
  readonly overflows: number;
  readonly entries: number;
  /** The number of a page; -1 for an empty tree. */
  readonly root: number;
}

interface Meta {
  readonly pageBytes: number;
  readonly flags: number;
  readonly mapBytes: number;
  readonly free: Tree;
  readonly main: Tree;
  readonly lastPage: number;
  readonly transaction: number;
}

/** What was counted of a tree. */
interface Counts {
  branches: number;
  leaves: number;
  overflows: number;
  entries: number;
}

class IndexFile {
  readonly #fd: number;
  readonly #visitors: Readonly<Record<string, NodeVisitor>>;
  readonly #fileBytes: number;
  #pageBytes = PAGE_BYTES_MIN;
  #meta!: Meta;
  /** By page: whether something refers to it. */
  #used = new Uint8Array(0);

  constructor(fd: number, visitors: Readonly<Record<string, NodeVisitor>>) {
    this.#fd = fd;
    this.#visitors = visitors;
    this.#fileBytes = fstatSync(fd).size;
  }

  read(): void {
    this.#meta = this.#latestMeta();
    const { lastPage, free, main } = this.#meta;
    this.#used = new Uint8Array(lastPage + 1);
    this.#used.fill(1, 0, 2);
    this.#tree(main, (key, value, flags) => this.#named(key, value, flags));
    this.#tree(free, (key, value) => this.#freed(key, value), compareIntegers);
  }

  // ------------------------------------------------------------------ meta pages

  #latestMeta(): Meta {
    const first = metaAt(this.#bytesAt(0, PAGE_BYTES_MIN));
    this.#pageBytes = first.pageBytes;
    const metas = [first, metaAt(this.#bytesAt(first.pageBytes, PAGE_BYTES_MIN))];
    for (const [index, meta] of metas.entries()) {
      const { pageBytes, flags, mapBytes, transaction } = meta;
      demand(pageBytes === first.pageBytes, 'its two meta pages differ');
      demand((flags & ~SYNC_PENDING) === FREE_FLAGS, 'a meta page is of another kind');
      demand(mapBytes <= INDEX_MAP_BYTES, 'a meta page has another map');
      // Transactions take turns.
      demand(transaction === 0 || transaction % 2 === index, 'a meta page has another number');
      demand(meta.lastPage >= 1, 'it says that it has no pages');
    }
    const [a, b] = metas as [Meta, Meta];
    const isNew = a.transaction === 0 || b.transaction === 0;
    const isInTurn = Math.abs(a.transaction - b.transaction) === 1;
    demand(isInTurn || (isNew && a.transaction + b.transaction <= 1), 'a transaction is missing');
    const latest = a.transaction > b.transaction ? a : b;
    this.#syncMeta(latest);
    return latest;
  }

  /** A third one, of what has reached the device, is half a page after the first. */
  #syncMeta(latest: Meta): void {
    const bytes = this.#bytesAt(this.#pageBytes / 2, HEADER_BYTES + META_BYTES);
    const meta = bytes.subarray(HEADER_BYTES);
    const transaction = numberAt(meta, META_TRANSACTION_AT);
    if (transaction === 0) {
      demand(
        meta.subarray(META_MAP_BYTES_AT).every((byte) => byte === 0),
        'a meta page is odd',
      );
      return;
    }
    const pageBytes = meta.readUInt32LE(META_FREE_AT);
    demand(transaction <= latest.transaction, 'a meta page is of the future');
    demand(pageBytes === this.#pageBytes, 'a meta page has other pages');
    demand(numberAt(meta, META_LAST_PAGE_AT) <= latest.lastPage, 'a meta page has more pages');
    demand(numberAt(meta, META_MAP_BYTES_AT) <= INDEX_MAP_BYTES, 'a meta page has another map');
  }

  // ------------------------------------------------------------------ trees

  #named(key: Buffer, value: Buffer, flags: number): void {
    demand((flags & NODE_TREE) !== 0 && value.length === TREE_BYTES, 'a name has no tree');
    const visitor = this.#visitors[key.toString('latin1').replace(/\0$/, '')];
    const tree = treeAt(value, 0);
    demand(tree.flags === 0, 'a tree is of another kind');
    if (visitor === undefined) {
      this.#tree(tree, null);
      return;
    }
    this.#tree(tree, (nodeKey, nodeValue, nodeFlags) => {
      demand((nodeFlags & NODE_TREE) === 0, 'a tree is in a value');
      visitor(nodeKey, nodeValue);
    });
  }

  #tree(tree: Tree, visit: Visit | null, compare: Comparison = compareBytes): void {
    const counts: Counts = { branches: 0, leaves: 0, overflows: 0, entries: 0 };
    if (tree.root !== -1) {
      demand(tree.depth > 0 && tree.depth <= DEPTH_MAX, 'a tree has no depth');
      new TreeWalk({ file: this, tree, counts, visit, compare }).page(tree.root, 1, null, null);
    } else {
      demand(tree.depth === 0, 'an empty tree has a depth');
    }
    const isCounted =
      counts.branches === tree.branches &&
      counts.leaves === tree.leaves &&
      counts.overflows === tree.overflows &&
      counts.entries === tree.entries;
    demand(isCounted, 'a tree has another number of pages or entries');
  }

  /**
   * A list of pages that are free: how many words, then numbers; a run has its length, negated, before.
   */
  #freed(key: Buffer, value: Buffer): void {
    demand(key.length === 8 && value.length >= 8 && value.length % 8 === 0, 'a free list is odd');
    const transaction = numberAt(key, 0);
    demand(transaction >= 1 && transaction <= this.#meta.transaction, 'a free list is of no time');
    const count = numberAt(value, 0);
    demand(count >= 0 && count <= value.length / 8 - 1, 'a free list is too long');
    for (let i = 1, run = 1; i <= count; i++) {
      const number = Number(value.readBigInt64LE(i * 8));
      if (number < 0) run = -number;
      else if (number > 0) {
        this.#take(number, run, 'a free page is in use');
        run = 1;
      }
    }
  }

  // ------------------------------------------------------------------ for walks

  /** Notes that something refers to pages; nothing else may. */
  #take(first: number, count: number, otherwise: string): void {
    const isThere = Number.isSafeInteger(first) && first >= 2 && count >= 1;
    demand(isThere && first + count - 1 <= this.#meta.lastPage, 'a page is beyond the end');
    for (let page = first; page < first + count; page++) {
      demand(this.#used[page] === 0, otherwise);
      this.#used[page] = 1;
    }
  }

  /** A page of a tree, with its header looked at. */
  page(number: number, flags: number): Buffer {
    this.#take(number, 1, 'a page is referred to twice');
    const page = this.#bytesAt(number * this.#pageBytes, this.#pageBytes);
    this.#demandHeader(page, number, flags);
    return page;
  }

  #demandHeader(page: Buffer, number: number, flags: number): void {
    demand(numberAt(page, 0) === number, 'a page has another number');
    // LMDB would write to one that looks newer than it can be.
    demand(numberAt(page, TRANSACTION_AT) <= this.#meta.transaction, 'a page is of the future');
    demand(page.readUInt16LE(FLAGS_AT) === flags, 'a page is of another kind');
  }

  /** A value that has pages of its own. */
  overflow(node: Buffer, bytes: number): { value: Buffer; pages: number } {
    const first = numberAt(node, 0);
    const pages = Math.floor((HEADER_BYTES - 1 + bytes) / this.#pageBytes) + 1;
    this.#take(first, pages, 'a page is referred to twice');
    const run = this.#bytesAt(first * this.#pageBytes, HEADER_BYTES + bytes);
    this.#demandHeader(run, first, OVERFLOW);
    demand(run.readUInt32LE(RUN_AT) === pages, 'a value has another number of pages');
    return { value: run.subarray(HEADER_BYTES), pages };
  }

  #bytesAt(offset: number, length: number): Buffer {
    demand(offset + length <= this.#fileBytes, 'it is cut short');
    return bytesOf(this.#fd, offset, length);
  }
}

type Comparison = (a: Key, b: Key) => number;
type Visit = (key: Buffer, value: Buffer, flags: number) => void;

interface TreeWalkInput {
  readonly file: IndexFile;
  readonly tree: Tree;
  readonly counts: Counts;
  readonly visit: Visit | null;
  readonly compare: Comparison;
}

class TreeWalk {
  readonly #file: IndexFile;
  readonly #tree: Tree;
  readonly #counts: Counts;
  /** Null when nobody wants to know. */
  readonly #visit: Visit | null;
  readonly #compare: Comparison;

  constructor({ file, tree, counts, visit, compare }: TreeWalkInput) {
    this.#file = file;
    this.#tree = tree;
    this.#counts = counts;
    this.#visit = visit;
    this.#compare = compare;
  }

  /** Keys of a page are from `low` on, and below `high`. */
  page(number: number, depth: number, low: Key | null, high: Key | null): void {
    const isLeaf = depth === this.#tree.depth;
    const page = this.#file.page(number, isLeaf ? LEAF : BRANCH);
    this.#counts[isLeaf ? 'leaves' : 'branches']++;
    const upper = HEADER_BYTES + uint16(page, UPPER_AT);
    const lower = uint16(page, LOWER_AT);
    demand(lower % 2 === 0 && HEADER_BYTES + lower <= upper, 'the room of a page is odd');
    demand(lower >= (isLeaf ? 2 : 4), 'a page is empty');
    const first = HEADER_BYTES;
    const end = first + lower;
    let room = upper;
    let before: Key | null = low;
    for (let slot = first; slot < end; slot += 2) {
      const key = keyAt(page, slot, upper);
      // The first key of a branch is not told: it is what the page above says.
      if (isLeaf || slot > first) {
        const order = before === null ? -1 : this.#compare(before, key);
        demand(order < 0 || (order === 0 && slot === first), 'keys are not in order');
        before = key;
      }
      if (isLeaf) {
        room += this.#leafNode(key);
      } else {
        const next = slot + 2 < end ? keyAt(page, slot + 2, upper) : high;
        room += this.#branchNode(key, depth, slot === first ? low : key, next);
      }
    }
    const isBelow = before === null || high === null || this.#compare(before, high) < 0;
    demand(isBelow, 'keys are not in order');
    demand(room === page.length, 'nodes overlap, or leave room between them');
  }

  #branchNode({ page, node, length }: Key, depth: number, low: Key | null, high: Key | null) {
    const child = page.readUInt32LE(node) + page.readUInt16LE(node + 4) * 2 ** 32;
    this.page(child, depth + 1, low, high);
    return even(NODE_BYTES + length);
  }

  #leafNode({ page, node, length }: Key): number {
    const bytes = uint16(page, node) + uint16(page, node + 2) * 65_536;
    const flags = uint16(page, node + 4);
    demand((flags & ~(NODE_BIG | NODE_TREE)) === 0, 'a node is of another kind');
    const isBig = (flags & NODE_BIG) !== 0;
    const held = isBig ? BIG_BYTES : bytes;
    const start = node + NODE_BYTES + length;
    demand(start + held <= page.length, 'a node is beyond its page');
    this.#counts.entries++;
    if (isBig || this.#visit !== null) {
      let value = page.subarray(start, start + held);
      if (isBig) {
        const big = this.#file.overflow(value, bytes);
        this.#counts.overflows += big.pages;
        value = big.value;
      }
      this.#visit?.(page.subarray(node + NODE_BYTES, start), value, flags);
    } else {
      demand(flags === 0, 'a tree is in a value');
    }
    return even(NODE_BYTES + length + held);
  }
}

/** A key, in the page that its node is in. */
interface Key {
  readonly page: Buffer;
  readonly node: number;
  readonly length: number;
}

/** Of a value with pages of its own, in the node: MDB_ovpage. */
const BIG_BYTES = 24;

/** Of the node that a slot says the place of. */
function keyAt(page: Buffer, slot: number, upper: number): Key {
  const node = HEADER_BYTES + uint16(page, slot);
  const isInPlace = node >= upper && node % 2 === 0 && node + NODE_BYTES <= page.length;
  demand(isInPlace, 'a node is out of place');
  const length = uint16(page, node + 6);
  demand(node + NODE_BYTES + length <= page.length, 'a key is beyond its page');
  return { page, node, length };
}

/** In the order of their bytes, and the shorter first. */
function compareBytes(a: Key, b: Key): number {
  const length = Math.min(a.length, b.length);
  const [atA, atB] = [a.node + NODE_BYTES, b.node + NODE_BYTES];
  for (let i = 0; i < length; i++) {
    const difference = a.page[atA + i]! - b.page[atB + i]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function uint16(bytes: Buffer, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

function metaAt(page: Buffer): Meta {
  const bytes = page.subarray(HEADER_BYTES);
  const isMeta = page.readUInt16LE(FLAGS_AT) === META && bytes.readUInt32LE(0) === MAGIC;
  demand(isMeta && bytes.readUInt32LE(4) === DATA_VERSION, 'it is not an index');
  const pageBytes = bytes.readUInt32LE(META_FREE_AT);
  const isSize = pageBytes >= PAGE_BYTES_MIN && pageBytes <= PAGE_BYTES_MAX;
  demand(isSize && (pageBytes & (pageBytes - 1)) === 0, 'its pages have no size');
  return {
    pageBytes,
    flags: bytes.readUInt16LE(META_FREE_AT + 4),
    mapBytes: numberAt(bytes, META_MAP_BYTES_AT),
    free: treeAt(bytes, META_FREE_AT),
    main: treeAt(bytes, META_MAIN_AT),
    lastPage: numberAt(bytes, META_LAST_PAGE_AT),
    transaction: numberAt(bytes, META_TRANSACTION_AT),
  };
}

function treeAt(bytes: Buffer, at: number): Tree {
  const isEmpty = bytes.readInt32LE(at + 40) === -1 && bytes.readInt32LE(at + 44) === -1;
  return {
    flags: bytes.readUInt16LE(at + 4),
    depth: bytes.readUInt16LE(at + 6),
    branches: numberAt(bytes, at + 8),
    leaves: numberAt(bytes, at + 16),
    overflows: numberAt(bytes, at + 24),
    entries: numberAt(bytes, at + 32),
    root: isEmpty ? -1 : numberAt(bytes, at + 40),
  };
}

/** 64 bits; what is too large for us is for no index. */
function numberAt(bytes: Buffer, at: number): number {
  const number = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
  demand(Number.isSafeInteger(number), 'a number is too large');
  return number;
}

function compareIntegers(a: Key, b: Key): number {
  demand(a.length === 8 && b.length === 8, 'a key is not a number');
  return numberAt(a.page, a.node + NODE_BYTES) - numberAt(b.page, b.node + NODE_BYTES);
}

function even(number: number): number {
  return number + (number % 2);
}

function demand(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}
