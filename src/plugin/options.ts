/** A plugin as plain data, as it crosses from the configuration to the workers. */
import type { FaultPolicy } from './api.ts';

/** Every hook, in the order of a request's life; their places are numbers for recorders. */
export const hookNames = [
  'onRequest',
  'cacheKey',
  'onOriginRequest',
  'onOriginResponse',
  'onResponse',
  'onFinish',
  'onHandshake',
] as const;
export type HookName = (typeof hookNames)[number];

/** What the recorder may note of a plugin: a hook, or what it has left running behind a hook. */
export type MarkedPlace = HookName | 'background';

export interface PluginModule {
  /** An absolute path. */
  readonly path: string;
  /** Plain JavaScript: types are stripped. */
  readonly text: string;
}

export interface PluginMatch {
  /** Names of routes; empty for every route. */
  readonly routes: readonly string[];
  /** As a route's `path-prefix`; empty for every path. Met when any reading of the path is under one. */
  readonly paths: readonly string[];
  /** Empty for every method. GET includes HEAD. */
  readonly methods: readonly string[];
}

export interface PluginOptions {
  /** Unique among the plugins. */
  readonly name: string;
  /** As written. */
  readonly use: string;
  /** The modules of the plugin's own, the first is the one that exports it. */
  readonly modules: readonly PluginModule[];
  /** The beginning of a digest of all modules: what runs, and what is stored of it in incidents. */
  readonly version: string;
  readonly options: unknown;
  readonly match: PluginMatch;
  readonly onFault: FaultPolicy;
  /** Hooks that it has. */
  readonly hooks: readonly HookName[];
  /** Milliseconds that an asynchronous hook may take. */
  readonly timeoutMs: number;
}
