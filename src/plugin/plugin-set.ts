/** The plugins of one configuration, set up in a worker, and how a hook of theirs is called. */
import type { FaultPolicy, Hooks } from './api.ts';
import { type FaultPlace, type PluginFault, type PluginFaults, wordsOf } from './faults.ts';
import { changedIntrinsics } from './intrinsics.ts';
import { defaultPluginLimits } from './limits.ts';
import { runPlugin } from './module.ts';
import { type HookName, hookNames, type MarkedPlace, type PluginOptions } from './options.ts';
import { enterCall, guardProcess, leaveCall, PluginExit, runAs } from './process-guard.ts';

/** Where a worker that dies has noted which hook it was in. */
export interface PluginMarks {
  /** Returns what was noted before, for `leavePlugin`. */
  enterPlugin(number: number): number;
  leavePlugin(before: number): void;
}

/** What of the worker plugins are set up with; it outlives any configuration. */
export interface PluginHost {
  readonly marks: PluginMarks;
  readonly faults: PluginFaults;
  /** The mark's number of a place: the same for all of the worker's life. */
  numberOf(plugin: string, place: MarkedPlace): number;
  log(plugin: string, message: string): void;
}

/** What a call came to when it has failed. */
export const FAULT: unique symbol = Symbol('fault');

/**
 * Calls whose processor time is taken: the first ones, and those after one that was long by the clock. To ask
 * for it before every call would cost more than most hooks.
 */
const CLOSE_CALLS = 32;

export class LoadedPlugin {
  readonly options: PluginOptions;
  readonly name: string;
  readonly onFault: FaultPolicy;
  /** Null when it is disabled, or could not be set up. */
  readonly hooks: Hooks | null;
  readonly #host: PluginHost;
  readonly #numbers: Readonly<Record<HookName, number>>;
  /** By hook: an `async function`, whose work goes on after its return. */
  readonly #isAsync: Readonly<Record<HookName, boolean>>;
  /** By hook: calls until the next look at what all code uses. */
  readonly #untilLook: Record<HookName, number>;
  readonly #nextLook: Record<HookName, number>;
  /** By hook: so many calls more have their processor time taken. */
  readonly #closely: Record<HookName, number>;

  constructor(options: PluginOptions, host: PluginHost, isEnabled: boolean) {
    this.options = options;
    this.name = options.name;
    this.onFault = options.onFault;
    this.#host = host;
    this.#numbers = byHook((hook) => host.numberOf(options.name, hook));
    this.hooks = isEnabled ? this.#setUp() : null;
    this.#isAsync = byHook((hook) => this.hooks?.[hook]?.constructor.name === 'AsyncFunction');
    this.#untilLook = byHook(() => 1);
    this.#nextLook = byHook(() => 1);
    this.#closely = byHook(() => CLOSE_CALLS);
  }

  /** It wants this hook, or cannot be asked whether it lets the request pass. */
  has(hook: HookName): boolean {
    if (this.hooks !== null) return this.hooks[hook] !== undefined;
    return this.onFault === 'refuse' && hook === 'onRequest';
  }

  /** What the hook returns, or FAULT. Never throws. */
  call(hook: HookName, first: unknown, second?: unknown): unknown {
    const body = this.hooks?.[hook] as ((a: unknown, b: unknown) => unknown) | undefined;
    if (body === undefined) return undefined;
    const { marks } = this.#host;
    const mark = marks.enterPlugin(this.#numbers[hook]);
    const before = enterCall(this.name);
    const isClose = this.#closely[hook] > 0;
    const processorAtMs = isClose ? processorMs() : 0;
    const startedMs = performance.now();
    let result: unknown;
    try {
      result = this.#isAsync[hook]
        ? runAs(this.name, () => body.call(this.hooks, first, second))
        : body.call(this.hooks, first, second);
    } catch (error) {
      result = FAULT;
      this.#threw(hook, error);
    } finally {
      leaveCall(before);
      marks.leavePlugin(mark);
    }
    const tookMs = performance.now() - startedMs;
    if (isClose) this.#closely[hook]--;
    if (tookMs > defaultPluginLimits.longCallMs) {
      if (isClose) this.#ranLong(hook, processorMs() - processorAtMs);
      this.#closely[hook] = CLOSE_CALLS;
    }
    if (--this.#untilLook[hook] === 0) this.#look(hook);
    return result;
  }

  fault(place: FaultPlace, fault: PluginFault, words: string): void {
    this.#host.faults.add(this.name, place, fault, words);
  }

  #threw(place: FaultPlace, error: unknown): void {
    this.fault(place, faultOf(error), wordsOf(error));
  }

  /** To be preempted is no fault. */
  #ranLong(hook: HookName, usedMs: number): void {
    if (usedMs <= defaultPluginLimits.longCallMs) return;
    const words = `a call took ${usedMs.toFixed(1)} ms of processor time, and the worker waited`;
    this.fault(hook, 'overran', words);
  }

  /** At the first call, the second, the fourth and so on: what is changed is changed early, as a rule. */
  #look(hook: HookName): void {
    this.#nextLook[hook] *= 2;
    this.#untilLook[hook] = this.#nextLook[hook];
    const changed = changedIntrinsics();
    if (changed.length > 0) this.fault(hook, 'globals', globalsWords(changed));
  }

  #setUp(): Hooks | null {
    const { name, options } = this;
    try {
      const hooks = runAs(name, () => {
        const { setup } = runPlugin(options.modules, name);
        return setup(options.options, { log: (message) => this.#host.log(name, String(message)) });
      });
      const changed = changedIntrinsics();
      if (changed.length === 0) return checkedHooks(hooks);
      this.fault('setup', 'globals', globalsWords(changed));
    } catch (error) {
      this.#threw('setup', error);
    }
    return null;
  }
}

/** Of this thread. */
function processorMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function globalsWords(changed: readonly string[]): string {
  return `it changed ${changed.slice(0, 5).join(', ')}, which all code uses: that is put back`;
}

/** Throws TypeError for what `setup` may not return. */
export function checkedHooks(hooks: unknown): Hooks {
  if (typeof hooks !== 'object' || hooks === null || hooks instanceof Promise) {
    throw new TypeError('setup returns no object of hooks');
  }
  for (const [name, hook] of Object.entries(hooks)) {
    if (!hookNames.includes(name as HookName)) {
      throw new TypeError(`there is no hook ${name}: write one of ${hookNames.join(', ')}`);
    }
    if (typeof hook !== 'function') throw new TypeError(`the hook ${name} is no function`);
  }
  return hooks;
}

function byHook<T>(of: (hook: HookName) => T): Record<HookName, T> {
  return Object.fromEntries(hookNames.map((hook) => [hook, of(hook)])) as Record<HookName, T>;
}

export class PluginSet {
  readonly plugins: readonly LoadedPlugin[];

  /** `isEnabled`: whether the feature that a plugin is, by its name, is on. */
  constructor(
    options: readonly PluginOptions[],
    host: PluginHost,
    isEnabled: (name: string) => boolean,
  ) {
    if (options.length > 0) {
      guardProcess(
        (plugin, error) => host.faults.add(plugin, 'background', faultOf(error), wordsOf(error)),
        (plugin) => host.marks.enterPlugin(host.numberOf(plugin, 'background')),
      );
    }
    this.plugins = options.map((one) => new LoadedPlugin(one, host, isEnabled(one.name)));
  }

  /** Tells all that have the hook; what it returns does not matter. */
  tell(hook: 'onHandshake', fact: unknown): void {
    for (const plugin of this.plugins) {
      if (plugin.hooks?.[hook] !== undefined) plugin.call(hook, fact);
    }
  }

  hasHook(hook: HookName): boolean {
    return this.plugins.some((plugin) => plugin.hooks?.[hook] !== undefined);
  }
}

/** Of what was thrown. */
function faultOf(error: unknown): PluginFault {
  return error instanceof PluginExit ? 'exited' : 'threw';
}
