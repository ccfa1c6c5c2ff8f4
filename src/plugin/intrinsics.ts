/** What all code of a process uses, so that a plugin that changes it is found out, and it is put back. */

interface Known {
  readonly target: object;
  readonly path: string;
  /** Of all that can be changed. */
  readonly traits: ReadonlyMap<PropertyKey, PropertyDescriptor>;
  readonly keys: ReadonlySet<PropertyKey>;
}

const NAMES = [
  'Object',
  'Function',
  'Array',
  'String',
  'Number',
  'Boolean',
  'Symbol',
  'Error',
  'Promise',
  'RegExp',
  'Date',
  'Map',
  'Set',
  'WeakMap',
  'Uint8Array',
  'ArrayBuffer',
  'DataView',
  'URL',
  'AbortSignal',
  'EventTarget',
] as const;

/** What packages set to have longer stacks. */
const HARMLESS: ReadonlySet<PropertyKey> = new Set(['stackTraceLimit', 'prepareStackTrace']);

let known: Known[] | null = null;

/**
 * Names of what has been changed since the first call, which are as they were after the call. What was
 * added to the global object stays: it is nobody's.
 */
export function changedIntrinsics(): string[] {
  known ??= lookAtAll();
  const changed: string[] = [];
  for (const { target, path, traits, keys } of known) {
    for (const key of Reflect.ownKeys(target)) {
      if (keys.has(key) || HARMLESS.has(key) || path === 'globalThis') continue;
      changed.push(`${path}.${String(key)}`);
      Reflect.deleteProperty(target, key);
    }
    for (const [key, before] of traits) {
      if (isSame(before, Reflect.getOwnPropertyDescriptor(target, key))) continue;
      changed.push(`${path}.${String(key)}`);
      Reflect.defineProperty(target, key, before);
    }
  }
  return changed;
}

function lookAtAll(): Known[] {
  const all: Known[] = [look(globalThis, 'globalThis'), look(JSON, 'JSON'), look(Math, 'Math')];
  all.push(look(Reflect, 'Reflect'), look(console, 'console'), look(Buffer, 'Buffer'));
  for (const name of NAMES) {
    const kind = globalThis[name];
    all.push(look(kind, name), look(kind.prototype, `${name}.prototype`));
  }
  return all;
}

function look(target: object, path: string): Known {
  const traits = new Map<PropertyKey, PropertyDescriptor>();
  for (const key of Reflect.ownKeys(target)) {
    const descriptor = Reflect.getOwnPropertyDescriptor(target, key)!;
    // Node replaces its own by what they lead to when they are first used.
    if (HARMLESS.has(key) || (target === globalThis && descriptor.get !== undefined)) continue;
    if (descriptor.configurable || descriptor.writable) traits.set(key, descriptor);
  }
  return { target, path, traits, keys: new Set(Reflect.ownKeys(target)) };
}

function isSame(before: PropertyDescriptor, now: PropertyDescriptor | undefined): boolean {
  if (now === undefined) return false;
  return Object.is(before.value, now.value) && before.get === now.get && before.set === now.set;
}
