/** What the groups of a route's patterns have matched of a request: `${path:1}`, `${host:name}`. */
import type { RequestHead } from '../http/message.ts';
import { readPath } from './path.ts';
import { compilePattern } from './pattern.ts';
import type { RouteMatch } from './route.ts';

type SubjectName = 'path' | 'host';

/** The patterns of a route; null for one that it does not have. */
export type Captures = Readonly<Record<SubjectName, PatternGroups | null>>;

export const NO_CAPTURES: Captures = { path: null, host: null };

/** Throws SyntaxError for a pattern that is none. */
export function capturesOf({ pathPattern, hostPattern, ignoreCase }: CapturingMatch): Captures {
  return {
    path: pathPattern === '' ? null : new PatternGroups(pathPattern, ignoreCase, normalPath),
    host: hostPattern === '' ? null : new PatternGroups(hostPattern, true, hostOf),
  };
}

type CapturingMatch = Pick<RouteMatch, 'pathPattern' | 'hostPattern' | 'ignoreCase'>;

/** As the route was chosen by it. */
const normalPath = ({ path }: RequestHead) => readPath(path).normal;
const hostOf = ({ authority }: RequestHead) => authority.host;

const NONE: readonly string[] = [];

class PatternGroups {
  readonly #pattern: RegExp;
  readonly #subjectOf: (head: RequestHead) => string;
  readonly #count: number;
  readonly #names: readonly string[];
  /** Of one request several are asked for. */
  #lastHead: RequestHead | null = null;
  #last: RegExpExecArray | null = null;

  constructor(text: string, ignoreCase: boolean, subjectOf: (head: RequestHead) => string) {
    this.#pattern = compilePattern(text, { ignoreCase });
    this.#subjectOf = subjectOf;
    // Matches the empty text, and has the groups all the same.
    const empty = new RegExp(`${text}|`).exec('')!;
    this.#count = empty.length - 1;
    this.#names = Object.keys(empty.groups ?? {});
  }

  /** Numbers and names of groups. */
  get known(): readonly string[] {
    return [...Array.from({ length: this.#count }, (_, i) => String(i + 1)), ...this.#names];
  }

  /** '' for a group that has matched nothing. */
  read(head: RequestHead, group: string): string {
    if (this.#lastHead !== head) {
      this.#last = this.#pattern.exec(this.#subjectOf(head));
      this.#lastHead = head;
    }
    const found = this.#last ?? NONE;
    const named = this.#last?.groups?.[group];
    return named ?? (/^\d/.test(group) ? found[Number(group)] : undefined) ?? '';
  }
}
