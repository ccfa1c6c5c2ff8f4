/** Who may make which request of a route. Asked before anything else, hits of the cache included. */
import { AddressSet } from '../base/address-range.ts';
import type { RequestHead } from '../http/message.ts';
import { anyReadingUnder, everyReadingUnder, type PathRule, pathRule, readPath } from './path.ts';
import { PATTERN_PATH_CHARACTERS_MAX } from './pattern.ts';
import { methodSet } from './request-test.ts';
import type { AccessRule } from './route.ts';

interface CompiledRule {
  readonly isDenial: boolean;
  readonly from: AddressSet | null;
  readonly methods: ReadonlySet<string> | null;
  readonly paths: readonly PathRule[];
}

export class AccessList {
  readonly #rules: readonly CompiledRule[];
  readonly #looksAtPaths: boolean;

  constructor(rules: readonly AccessRule[]) {
    this.#rules = rules.map((rule) => ({
      isDenial: rule.effect === 'deny',
      from: rule.from.length === 0 ? null : new AddressSet(rule.from),
      methods: methodSet(rule.methods),
      paths: rule.paths.map(pathRule),
    }));
    this.#looksAtPaths = rules.some((rule) => rule.paths.length > 0);
  }

  allows(head: RequestHead, remoteAddress: string): boolean {
    // How a path is read costs by its length.
    if (this.#looksAtPaths && head.path.length > PATTERN_PATH_CHARACTERS_MAX) return false;
    const readings = this.#looksAtPaths ? readPath(head.path) : null;
    for (const { isDenial, from, methods, paths } of this.#rules) {
      if (methods !== null && !methods.has(head.method)) continue;
      if (from !== null && !from.has(remoteAddress)) continue;
      if (paths.length > 0) {
        // However the origin reads the path: a denial needs one reading, a permission all of them.
        const matches = isDenial ? anyReadingUnder : everyReadingUnder;
        if (!paths.some((rule) => matches(readings!, rule))) continue;
      }
      return !isDenial;
    }
    return true;
  }
}
