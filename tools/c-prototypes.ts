/**
 * Reads function prototypes out of C headers: enough of C for OpenSSL's, libuv's and glibc's, not a
 * compiler. What it cannot read it leaves out, and the check then says "no prototype".
 */

/** How a value travels in a call on 64-bit Linux, in the words of native/load.ts. */
export type MachineType = 'void' | 'i32' | 'u32' | 'i64' | 'u64' | 'pointer';

export interface CType {
  readonly machine: MachineType;
  /** As written, without qualifiers: `size_t`, `SSL *`. */
  readonly text: string;
}

export interface Prototype {
  readonly name: string;
  readonly returns: CType;
  readonly parameters: readonly CType[];
  /** Whether the parameters end in `...`. */
  readonly variadic: boolean;
}

const BASE_TYPES: Readonly<Record<string, MachineType>> = {
  void: 'void',
  int: 'i32',
  signed: 'i32',
  char: 'i32',
  short: 'i32',
  'unsigned char': 'u32',
  'unsigned short': 'u32',
  unsigned: 'u32',
  'unsigned int': 'u32',
  long: 'i64',
  'long int': 'i64',
  'long long': 'i64',
  'unsigned long': 'u64',
  'unsigned long int': 'u64',
  'unsigned long long': 'u64',
  int8_t: 'i32',
  int16_t: 'i32',
  int32_t: 'i32',
  int64_t: 'i64',
  uint8_t: 'u32',
  uint16_t: 'u32',
  uint32_t: 'u32',
  uint64_t: 'u64',
  size_t: 'u64',
  ssize_t: 'i64',
  ptrdiff_t: 'i64',
  time_t: 'i64',
  off_t: 'i64',
  mode_t: 'u32',
  pid_t: 'i32',
  uid_t: 'u32',
  gid_t: 'u32',
  socklen_t: 'u32',
  clockid_t: 'i32',
  __off_t: 'i64',
  __off64_t: 'i64',
  // glibc's transparent unions of pointers.
  __SOCKADDR_ARG: 'pointer',
  __CONST_SOCKADDR_ARG: 'pointer',
};

const NOISE = [
  /\bOSSL_DEPRECATED\w*(\s*\([^)]*\))?/g,
  /\b__attribute__\s*\(\(.*?\)\)/g,
  /\b__(nonnull|attr_access|fortified_attr_access|attribute_malloc|asm__)\s*\(\(?[^)]*\)?\)+/g,
  /\b(__attribute_\w+__|__owur|__wur|__THROW|__THROWNL|__NTH|__restrict|restrict|__inline|inline|__extension__)\b/g,
  /\b(UV_EXTERN|OSSL_CRYPTO_ALLOC|ossl_unused|ossl_inline|OPENSSL_EXPORT|extern|register)\b/g,
  /\b(const|volatile|struct|enum|union)\b/g,
];

/** The prototypes of several headers. A name may have several, one per `#if` branch. */
export class PrototypeTable {
  readonly #types = new Map<string, MachineType>(Object.entries(BASE_TYPES));
  readonly #prototypes = new Map<string, Prototype[]>();
  readonly #pointerTypes: string[] = [];

  /** Reads all headers: their macros and types first, since they refer to each other's. */
  constructor(headers: readonly string[]) {
    const macros = new Map<string, Macro>();
    const logical = headers.map((text) => withoutComments(text).replace(/\\\r?\n/g, ' '));
    for (const text of logical) collectMacros(text, macros);
    const statements = logical.flatMap((text) => statementsOf(text, macros));
    for (const statement of statements) this.#readTypedef(statement);
    for (const statement of statements) this.#readPrototype(statement);
    for (const statement of this.#pointerTypes) this.#readPointerType(statement);
  }

  get size(): number {
    return this.#prototypes.size;
  }

  of(name: string): readonly Prototype[] {
    return this.#prototypes.get(name) ?? [];
  }

  #readTypedef(statement: string): void {
    if (!statement.startsWith('typedef ')) return;
    const pointer = /\(\s*\*\s*(\w+)\s*\)\s*\(/.exec(statement);
    if (pointer !== null) {
      this.#types.set(pointer[1]!, 'pointer');
      this.#pointerTypes.push(statement.slice('typedef '.length));
      return;
    }
    const plain = /^typedef (.+?)(\b\w+)$/.exec(statement);
    if (plain === null) return;
    const [text, name] = [plain[1]!, plain[2]!];
    // Headers define `uint64_t` and its like themselves for compilers without <stdint.h>.
    if (this.#types.has(name)) return;
    if (/\benum\b/.test(text)) this.#types.set(name, 'u32');
    else {
      const { machine } = this.#typeOf(text) ?? {};
      if (machine !== undefined && machine !== 'void') this.#types.set(name, machine);
    }
  }

  #readPrototype(statement: string): void {
    if (statement.startsWith('typedef ') || statement.includes('=')) return;
    const functionPointer = /\(\s*\*\s*(\w+)\s*\((.*?)\)\s*\)\s*\(/.exec(statement);
    const plain = /^([\w\s*]*?[\s*])(\w+)\s*\((.*)\)$/.exec(stripNoise(statement));
    if (functionPointer !== null && plain === null) {
      const returns: CType = { machine: 'pointer', text: 'function pointer' };
      this.#add(functionPointer[1]!, returns, functionPointer[2]!);
    } else if (plain !== null) {
      const returns = this.#typeOf(plain[1]!);
      if (returns !== null) this.#add(plain[2]!, returns, plain[3]!);
    }
  }

  /** `int (*name)(…)` as the prototype of what such a pointer points to. */
  #readPointerType(declaration: string): void {
    const match = /^(.*?)\(\s*\*\s*(\w+)\s*\)\s*\((.*)\)$/.exec(stripNoise(declaration));
    if (match === null) return;
    const returns = this.#typeOf(match[1]!);
    if (returns !== null) this.#add(match[2]!, returns, match[3]!);
  }

  #add(name: string, returns: CType, parameterText: string): void {
    const parts = splitParameters(parameterText);
    const variadic = parts.at(-1) === '...';
    if (variadic) parts.pop();
    if (parts.length === 1 && parts[0] === 'void') parts.pop();
    const parameters: CType[] = [];
    for (const part of parts) {
      const type = this.#typeOf(part);
      if (type === null) return;
      parameters.push(type);
    }
    const known = this.#prototypes.get(name) ?? [];
    this.#prototypes.set(name, [...known, { name, returns, parameters, variadic }]);
  }

  /** The type of a declaration with or without the declared name; null when it is unknown. */
  #typeOf(declaration: string): CType | null {
    const text = stripNoise(declaration);
    if (/[*[(]/.test(text)) return { machine: 'pointer', text };
    const words = text.split(' ');
    const whole = this.#types.get(text);
    if (whole !== undefined) return { machine: whole, text };
    // The last word may be the parameter's name.
    const unnamed = words.slice(0, -1).join(' ');
    const machine = this.#types.get(unnamed);
    return machine === undefined ? null : { machine, text: unnamed };
  }
}

function stripNoise(text: string): string {
  let stripped = text;
  for (const pattern of NOISE) stripped = stripped.replace(pattern, ' ');
  return stripped.replace(/\s+/g, ' ').trim();
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, ' ').replace(/\/\/[^\n]*/g, ' ');
}

interface Macro {
  readonly parameters: readonly string[];
  readonly body: string;
}

/** OpenSSL declares families of functions (`PEM_read_bio_X509`) through macros of these names. */
const DECLARING = /^DECLARE_|^PEM_\w+_fnsig$/;

function collectMacros(text: string, macros: Map<string, Macro>): void {
  for (const match of text.matchAll(/^[ \t]*#[ \t]*define[ \t]+(\w+)\(([^)]*)\)(.*)$/gm)) {
    const [name, parameters, body] = [match[1]!, match[2]!, match[3]!];
    if (!DECLARING.test(name)) continue;
    // Of `#if` branches one is often empty (OPENSSL_NO_STDIO): keep the one that says more.
    if ((macros.get(name)?.body.trim().length ?? 0) >= body.trim().length) continue;
    macros.set(name, { parameters: parameters.split(',').map((word) => word.trim()), body });
  }
}

const EXPANSION_DEPTH_MAX = 8;

function expand(text: string, macros: Map<string, Macro>, depth = 0): string {
  if (depth === EXPANSION_DEPTH_MAX) return text;
  return text.replace(/\b([A-Z]\w+)\s*\(([^()]*)\)/g, (whole, name: string, list: string) => {
    const macro = macros.get(name);
    if (macro === undefined) return whole;
    const values = list.split(',').map((word) => word.trim());
    let body = macro.body;
    macro.parameters.forEach((parameter, index) => {
      body = body.replace(new RegExp(`\\b${parameter}\\b`, 'g'), values[index] ?? '');
    });
    return `;${expand(body.replace(/\s*##\s*/g, ''), macros, depth + 1)};`;
  });
}

/** Splits a header into statements, without directives and without the inside of braces. */
function statementsOf(text: string, macros: Map<string, Macro>): string[] {
  const code = text.replace(/^[ \t]*#.*$/gm, ' ').replace(/extern\s+"C"\s*\{/g, ' ');
  let depth = 0;
  let statement = '';
  const statements: string[] = [];
  const finish = () => {
    const plain = statement
      .replace(/\b__(BEGIN|END)_DECLS\b/g, ' ')
      .replace(/\s+/g, ' ')
      .trim();
    if (plain !== '') statements.push(plain);
    statement = '';
  };
  for (const character of expand(code, macros)) {
    if (character === '{') depth++;
    else if (character === '}') {
      depth = Math.max(0, depth - 1);
      // A function's body ends a statement; a struct's or enum's goes on to its name.
      if (depth === 0 && /\)\s*$/.test(statement)) statement = '';
    } else if (depth === 0) {
      if (character === ';') finish();
      else statement += character;
    }
  }
  return statements;
}

/** Splits at the commas that are outside of parentheses. */
function splitParameters(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (const character of text) {
    if (character === '(') depth++;
    if (character === ')') depth--;
    if (character === ',' && depth === 0) {
      parts.push(part.trim());
      part = '';
    } else part += character;
  }
  if (part.trim() !== '') parts.push(part.trim());
  return parts;
}
