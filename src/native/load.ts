/**
 * The only importer of `node:ffi`. Resolves symbols of the process image: libc, libuv and the
 * OpenSSL inside the Node binary.
 *
 * Two ways to call the same symbol:
 *
 * - **checked**: Node's wrapper, which validates every argument. 150 to 400 ns a call. For calls
 *   that are rare, or that may call back into JavaScript.
 * - **direct**: the function under that wrapper, which V8 compiles to a plain C call. 3 to 6 ns.
 *   For leaf calls on the hot path. Arguments must have exactly the declared types: a number for
 *   32-bit integers, a BigInt for 64-bit integers and pointers; TypeScript holds us to that.
 *
 * See docs/adr/0002-direct-calls.md for how the direct function is found and what happens when a
 * future Node hides it (it falls back to the checked one: slower, never wrong).
 */
import ffi from 'node:ffi';

export type NativeType = 'void' | 'i32' | 'u32' | 'i64' | 'u64' | 'pointer';

export interface Signature {
  readonly arguments: readonly NativeType[];
  readonly return: NativeType;
}

type JsType<T> = T extends 'void' ? undefined : T extends 'i32' | 'u32' ? number : bigint;

type JsTypes<A extends readonly unknown[]> = { [I in keyof A]: JsType<A[I]> };

export type NativeFunction<S extends Signature> = (
  ...args: JsTypes<S['arguments']>
) => JsType<S['return']>;

export type NativeFunctions<D extends Record<string, Signature>> = {
  readonly [N in keyof D]: NativeFunction<D[N]>;
};

export interface Bound<D extends Record<string, Signature>> {
  readonly checked: NativeFunctions<D>;
  readonly direct: NativeFunctions<D>;
}

const everySignature = new Map<string, Signature>();

/** Every binding made so far by C name, for the test that compares them with the C headers. */
export function boundSignatures(): ReadonlyMap<string, Signature> {
  return everySignature;
}

let image: ffi.DynamicLibrary | undefined;

/** Resolves the symbols of one table. Throws when one is missing from this Node binary. */
export function bind<const D extends Record<string, Signature>>(table: D): Bound<D> {
  image ??= new ffi.DynamicLibrary(null as unknown as string);
  const library = image;
  for (const [name, signature] of Object.entries(table)) noteSignature(name, signature);
  const direct = new Map<string, unknown>();
  const checked = observingFunctionLookups(
    (fn) => direct.set(fn.name, fn),
    () => library.getFunctions(table as unknown as ffi.FunctionDefinitions),
  ) as unknown as NativeFunctions<D>;
  const both = Object.keys(table).map((name) => [name, direct.get(name) ?? checked[name]]);
  return { checked, direct: Object.fromEntries(both) as NativeFunctions<D> };
}

/** `node:ffi` makes a symbol once: a second table must bind it alike. */
function noteSignature(name: string, signature: Signature): void {
  const known = everySignature.get(name);
  const isAlike = known === undefined || JSON.stringify(known) === JSON.stringify(signature);
  if (!isAlike) throw new Error(`${name} is bound in two ways`);
  everySignature.set(name, signature);
}

/**
 * Runs `body` and reports every function on which a symbol-keyed property is looked up and not
 * found meanwhile. `node:ffi` probes each new function that way before it wraps it.
 */
function observingFunctionLookups<T>(report: (fn: { name: string }) => void, body: () => T): T {
  const target = Function.prototype;
  const parent = Object.getPrototypeOf(target) as object;
  const probe = new Proxy(parent, {
    get(object, key, receiver: unknown) {
      if (typeof key === 'symbol' && typeof receiver === 'function') report(receiver);
      return Reflect.get(object, key, receiver);
    },
  });
  Object.setPrototypeOf(target, probe);
  try {
    return body();
  } finally {
    Object.setPrototypeOf(target, parent);
  }
}

/** The address of Node's own libuv loop. */
export function currentEventLoop(): bigint {
  return ffi.getCurrentEventLoop() as bigint;
}

/** A view of native memory. The memory must outlive every use of the view. */
export function viewOf(address: bigint, length: number): ArrayBuffer {
  return ffi.toArrayBuffer(address, length, false) as ArrayBuffer;
}

/** The NUL-terminated string at an address; '' for a null pointer. */
export function stringAt(address: bigint): string {
  return address === 0n ? '' : (ffi.toString(address) ?? '');
}

/**
 * The address of a view's first byte, **for the duration of one native call only**: the memory
 * belongs to V8, which frees it when nothing references the view any more.
 */
export function transientAddressOf(bytes: Uint8Array): bigint {
  return ffi.getRawPointer(bytes as never) as bigint;
}

/** Makes a native function pointer. Use callbacks.ts, which adds what makes that safe. */
export function registerRawCallback(
  signature: Signature,
  callback: (...args: never[]) => unknown,
): bigint {
  image ??= new ffi.DynamicLibrary(null as unknown as string);
  return image.registerCallback(signature as never, callback as never) as bigint;
}

export function unregisterRawCallback(pointer: bigint): void {
  image?.unregisterCallback(pointer);
}
