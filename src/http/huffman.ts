/**
 * The Huffman code of RFC 7541 §5.2 and Appendix B. The code is canonical, so the lengths of its
 * 257 codes (256 bytes and EOS) say everything.
 */

const CODE_LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
  28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5,
  6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6,
  7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23,
  23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22,
  22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22,
  23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27,
  27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25,
  24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

const EOS = 256;

/** Codes right-aligned, and their lengths in bits; indexed by byte. */
const codes = new Uint32Array(257);
const lengths = Uint8Array.from(CODE_LENGTHS);

/**
 * The decoder as a machine that eats four bits at a time. Its states are the inner nodes of the
 * code's tree (256 of them); an entry holds the next state, and the byte that was completed.
 */
const NIBBLE_VALUES = 16;
const EMITS = 0x10000;
const FAILS = 0x20000;
const machine = new Uint32Array(256 * NIBBLE_VALUES);
/** States in which a string may end: fewer than 8 bits of the EOS code's prefix (all ones). */
const accepting = new Uint8Array(256);

function assignCodes(): void {
  let code = 0;
  for (let bits = 1; bits <= 30; bits++) {
    for (let symbol = 0; symbol <= EOS; symbol++) {
      if (lengths[symbol] === bits) codes[symbol] = code++;
    }
    code *= 2;
  }
}

/** Two entries per inner node: `~symbol` for a leaf, else the child's index. */
function buildTree(): number[] {
  const tree: number[] = [0, 0];
  for (let symbol = 0; symbol <= EOS; symbol++) {
    let node = 0;
    for (let bit = lengths[symbol]! - 1; bit >= 0; bit--) {
      const slot = node * 2 + ((codes[symbol]! >>> bit) & 1);
      if (bit === 0) tree[slot] = ~symbol;
      else if (tree[slot] === 0) {
        tree[slot] = tree.length / 2;
        tree.push(0, 0);
      }
      node = tree[slot]!;
    }
  }
  return tree;
}

function buildMachine(): void {
  const tree = buildTree();
  for (let state = 0; state < 256; state++) {
    for (let nibble = 0; nibble < NIBBLE_VALUES; nibble++) {
      machine[state * NIBBLE_VALUES + nibble] = transition(tree, state, nibble);
    }
  }
  let node = 0;
  for (let bits = 0; bits < 8; bits++) {
    accepting[node] = 1;
    node = tree[node * 2 + 1]!;
  }
}

/** No code is shorter than five bits, so that four complete at most one byte. */
function transition(tree: readonly number[], state: number, nibble: number): number {
  let node = state;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const next = tree[node * 2 + ((nibble >>> bit) & 1)]!;
    if (next >= 0) {
      node = next;
      continue;
    }
    // A decoded EOS is an error (RFC 7541 §5.2).
    if (~next === EOS) return FAILS;
    emitted = EMITS | (~next << 8);
    node = 0;
  }
  return emitted | node;
}

assignCodes();
buildMachine();

/** The most bytes that `length` bytes of Huffman code can decode to: five bits each. */
export function huffmanDecodedMax(length: number): number {
  return Math.floor((length * 8) / 5);
}

/**
 * Decodes into `target`, which has room for {@link huffmanDecodedMax}. Returns the bytes written,
 * or -1 when the code is wrong: EOS inside, padding of 8 bits or more, or not of ones.
 */
export function decodeHuffman(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
): number {
  let state = 0;
  let length = 0;
  for (let i = start; i < end; i++) {
    const byte = source[i]!;
    let entry = machine[(state << 4) | (byte >>> 4)]!;
    if (entry > 0xff) {
      if (entry === FAILS) return -1;
      target[length++] = entry >>> 8;
    }
    entry = machine[((entry & 0xff) << 4) | (byte & 15)]!;
    if (entry > 0xff) {
      if (entry === FAILS) return -1;
      target[length++] = entry >>> 8;
    }
    state = entry & 0xff;
  }
  return accepting[state] === 1 ? length : -1;
}

/** Bytes that the text takes in Huffman code. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += lengths[text.charCodeAt(i) & 0xff]!;
  return (bits + 7) >>> 3;
}

/** Returns the offset after the last byte written; the padding is the EOS code's first bits. */
export function encodeHuffman(text: string, target: Uint8Array, offset: number): number {
  // At most 7 bits wait, and a code has at most 30: two parts, so that 32 bits suffice.
  let waiting = 0;
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i) & 0xff;
    let code = codes[byte]!;
    let left = lengths[byte]!;
    while (left > 0) {
      const taken = Math.min(left, 16);
      left -= taken;
      waiting = (waiting << taken) | (code >>> left);
      code &= (1 << left) - 1;
      bits += taken;
      while (bits >= 8) {
        bits -= 8;
        target[offset++] = waiting >>> bits;
      }
      waiting &= (1 << bits) - 1;
    }
  }
  if (bits > 0) target[offset++] = (waiting << (8 - bits)) | (0xff >>> bits);
  return offset;
}
