/** Which rules of routes must be there for a fault. */
import type { JsonValue } from '../incident.ts';
import { minimalSubset } from '../reduce/delta-debugging.ts';

/** What a route may ask for, and what it is without. */
const WITHOUT: Readonly<Record<string, JsonValue>> = {
  rewrite: null,
  requestFields: null,
  responseFields: null,
  access: [],
  rateLimit: null,
  errorPages: null,
  compression: null,
};

export interface RouteRule {
  /** Of the route. */
  readonly route: string;
  /** As the options name it, as `compression`. */
  readonly rule: string;
  /** JSON pointer into the options. */
  readonly path: string;
}

export interface RulesFinding {
  /** `none`: it happens without any rule. `unclear`: none that could be left out is to blame. */
  readonly status: 'found' | 'none' | 'unclear' | 'skipped';
  readonly rules: readonly RouteRule[];
}

type JsonRecord = { readonly [name: string]: JsonValue };

/** Whether it fails with options that lack some rules; null when that cannot be told. */
export type FailsWithRules = (options: JsonValue, words: string) => Promise<boolean | null>;

export async function rulesToBlame(
  options: JsonValue,
  fails: FailsWithRules,
): Promise<RulesFinding> {
  const all = rulesIn(options);
  if (all.length === 0) return { status: 'none', rules: [] };
  const { items, unclear } = await minimalSubset(all, (kept) => {
    const gone = all.filter((rule) => !kept.includes(rule));
    return fails(withoutRules(options, gone), `without ${wordsFor(gone)}`);
  });
  const rules = items.filter((rule) => !unclear.includes(rule));
  return { status: rules.length > 0 ? 'found' : unclear.length > 0 ? 'unclear' : 'none', rules };
}

function rulesIn(options: JsonValue): RouteRule[] {
  return routesIn(options).flatMap((route, index) =>
    Object.keys(WITHOUT)
      .filter((rule) => {
        const value = route[rule];
        return value !== undefined && JSON.stringify(value) !== JSON.stringify(WITHOUT[rule]);
      })
      .map((rule) => ({
        route: String(route.name ?? index),
        rule,
        path: `/routes/${index}/${rule}`,
      })),
  );
}

function routesIn(options: JsonValue): readonly JsonRecord[] {
  const { routes } = (options ?? {}) as JsonRecord;
  return Array.isArray(routes) ? (routes as readonly JsonRecord[]) : [];
}

function withoutRules(options: JsonValue, gone: readonly RouteRule[]): JsonValue {
  const paths = new Set(gone.map(({ path }) => path));
  const routes = routesIn(options).map((route, index) =>
    Object.fromEntries(
      Object.entries(route).map(([name, value]) => {
        const isGone = paths.has(`/routes/${index}/${name}`);
        return [name, isGone ? WITHOUT[name]! : value];
      }),
    ),
  );
  return { ...(options as JsonRecord), routes };
}

function wordsFor(rules: readonly RouteRule[]): string {
  return rules.map(({ route, rule }) => `${rule} of route ${route || '(unnamed)'}`).join(', ');
}
