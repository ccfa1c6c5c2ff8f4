/**
 * Keeps plugins from ending the process, and knows whose a stray rejection is. Hooks are trusted code in
 * the worker's own process: this is a net for mistakes, and no sandbox.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { changedIntrinsics } from './intrinsics.ts';

/** The plugin that runs, or has started what runs. */
const running = new AsyncLocalStorage<string>();
/** The same within one synchronous call, which is cheaper to note. */
let called = '';

export class PluginExit extends Error {
  override readonly name = 'PluginExit';
}

/** Told of what a plugin has left to itself. */
type OnStray = (plugin: string, error: unknown) => void;

/** Told that an exception of a plugin's ends the process: of an event emitter of its own, as a rule. */
type OnFatal = (plugin: string) => void;

/** Runs what belongs to the plugin and may go on after its return. */
export function runAs<T>(plugin: string, body: () => T): T {
  const before = called;
  called = plugin;
  try {
    return running.run(plugin, body);
  } finally {
    called = before;
  }
}

/** Notes whose a synchronous call is; what it returns is to be given to `leaveCall`. */
export function enterCall(plugin: string): string {
  const before = called;
  called = plugin;
  return before;
}

export function leaveCall(before: string): void {
  called = before;
}

function runningPlugin(): string {
  return called !== '' ? called : (running.getStore() ?? '');
}

let onStray: OnStray = () => {};
let onFatal: OnFatal = () => {};
let isGuarded = false;
/** By the URL at the beginning of their modules' stack frames, whose they are. */
const owners = new Map<string, string>();

/** Frames of this module are the plugin's. */
export function ownModule(url: string, plugin: string): void {
  owners.set(url, plugin);
}

/** Once a process, with its first plugin. */
export function guardProcess(sink: OnStray, fatal: OnFatal): void {
  onStray = sink;
  onFatal = fatal;
  if (isGuarded) return;
  isGuarded = true;
  changedIntrinsics();
  refuse(process, 'exit');
  refuse(process, 'reallyExit');
  refuse(process, 'abort');
  refuse(process, 'kill');
  // It only listens: sluice's own part of what was interrupted may be half done.
  process.on('uncaughtExceptionMonitor', (error) => {
    const plugin = runningPlugin() || ownerOf(error);
    if (plugin !== '') onFatal(plugin);
  });
  process.on('unhandledRejection', (reason) => {
    const plugin = runningPlugin() || ownerOf(reason);
    if (plugin === '') throw reason;
    onStray(plugin, reason);
  });
}

function refuse(target: object, name: string): void {
  const functions = target as Record<string, (...args: unknown[]) => unknown>;
  const real = functions[name];
  if (typeof real !== 'function') return;
  functions[name] = (...args) => {
    if (runningPlugin() !== '') throw new PluginExit(`a plugin may not call process.${name}`);
    return real.apply(target, args);
  };
}

/** By the innermost frame of a plugin's module. */
function ownerOf(reason: unknown): string {
  const stack = reason instanceof Error ? String(reason.stack) : '';
  for (const [, url] of stack.matchAll(/(file:\/\/[^\s()]+?):\d+:\d+/g)) {
    const plugin = owners.get(url!);
    if (plugin !== undefined) return plugin;
  }
  return '';
}

/**
 * Functions that call back later, for a plugin's modules: an exception in what they call is the plugin's
 * fault, and does not end the worker.
 */
export function timersFor(plugin: string) {
  const guarded = (body: (...args: unknown[]) => unknown) => {
    return (...args: unknown[]) => {
      try {
        const result = runAs(plugin, () => body(...args));
        if (result instanceof Promise) result.catch((error: unknown) => onStray(plugin, error));
        return result;
      } catch (error) {
        onStray(plugin, error);
        return undefined;
      }
    };
  };
  type Body = (...args: unknown[]) => unknown;
  return {
    setTimeout: (body: Body, ms?: number, ...rest: unknown[]) =>
      setTimeout(guarded(body), ms, ...rest).unref(),
    setInterval: (body: Body, ms?: number, ...rest: unknown[]) =>
      setInterval(guarded(body), ms, ...rest).unref(),
    setImmediate: (body: Body, ...rest: unknown[]) => setImmediate(guarded(body), ...rest),
    queueMicrotask: (body: Body) => queueMicrotask(guarded(body)),
  };
}
