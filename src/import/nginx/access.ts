/**
 * Who may do what at a location. What cannot be said in our words closes the route: nobody gets in by an
 * import who did not before.
 */
import { addressWords } from '../../base/address-range.ts';
import { Draft } from '../draft.ts';
import type { Directive } from './parser.ts';
import type { Scope } from './scope.ts';
import type { NginxState, RouteDraft } from './state.ts';

/** What asks somebody, or looks at something, before it lets a request pass. */
const ASKED: Readonly<Record<string, string>> = {
  auth_basic: 'sluice has no passwords: let the origin ask for them, or allow addresses only',
  auth_basic_user_file:
    'sluice has no passwords: let the origin ask for them, or allow addresses only',
  auth_request:
    'sluice asks no other server whether a request may pass: let the origin do so, or allow addresses only',
  auth_jwt: 'sluice reads no tokens: let the origin do so',
  auth_digest: 'sluice has no passwords: let the origin ask for them',
  auth_pam: 'sluice has no passwords: let the origin ask for them',
  access_by_lua_block: 'sluice runs no Lua: let the origin decide',
  access_by_lua_file: 'sluice runs no Lua: let the origin decide',
  access_by_lua: 'sluice runs no Lua: let the origin decide',
  js_access: 'sluice runs no njs: let the origin decide',
  modsecurity: 'sluice has no such rules: let another server see to it',
  secure_link: 'sluice does not check signed links: let the origin do so',
  secure_link_secret: 'sluice does not check signed links: let the origin do so',
  geoip2: 'sluice knows no countries: list ranges of addresses in access',
};

export const ACCESS_DIRECTIVES: readonly string[] = [
  'allow',
  'deny',
  'satisfy',
  'limit_except',
  ...Object.keys(ASKED),
];

/** An address or range in our words; null for what is none. */
export function rangeOf(written: string): string | null {
  const [, address = '', bits] = /^([0-9a-fA-F:.]+)(?:\/(\d+))?$/.exec(written) ?? [];
  const words = addressWords(address);
  if (words === null) return null;
  if (bits === undefined || address.includes(':')) return written;
  if (Number(bits) > 32) return null;
  // nginx takes 10.1.2.3/8 for 10.0.0.0/8.
  const network = words[0]! & (Number(bits) === 0 ? 0 : 0xffffffff << (32 - Number(bits)));
  return `${[24, 16, 8, 0].map((shift) => (network >>> shift) & 255).join('.')}/${bits}`;
}

interface Rules {
  readonly drafts: Draft[];
  readonly places: readonly Directive[];
  /** Some are not to be had in our words. */
  readonly isBroken: boolean;
}

function rulesOf(directives: readonly Directive[], state: NginxState): Rules {
  const drafts: Draft[] = [];
  let isBroken = false;
  for (const directive of directives) {
    const [who = ''] = directive.args;
    const range = who === 'all' ? 'all' : rangeOf(who);
    if (range === null) {
      const isAllowed = directive.name === 'allow';
      // Whom nobody allows is denied by what follows; whom nobody denies would be allowed.
      isBroken ||= !isAllowed;
      const remedy = 'write addresses, or ranges as 10.0.0.0/8';
      state.report.leftOut(directive, { reason: `no address: ${who}`, remedy, decides: true });
      continue;
    }
    state.report.imported(directive);
    drafts.push(new Draft().set(directive.name, range === 'all' ? 'all' : [range], directive));
  }
  return { drafts, places: directives, isBroken };
}

/** Rules by address and method, and what stands in for those that sluice cannot have. */
export function importAccess(scope: Scope, route: RouteDraft, state: NginxState): void {
  const asked = askedOf(scope, state);
  const rules = rulesOf(scope.all('allow', 'deny'), state);
  const satisfy = scope.last('satisfy');
  const isAny = satisfy?.args[0] === 'any';
  if (satisfy !== undefined) state.report.imported(satisfy);
  if (rules.isBroken) route.close('a rule about addresses was left out');
  if (rules.drafts.length > 0 && state.isAddressUnknown !== null) {
    const { file, line } = state.isAddressUnknown;
    route.close(`${file}:${line} says where the client's address comes from, and was left out`);
  }
  route.access = rules.drafts;
  if (asked.length > 0) {
    const reason = `${asked.map(({ file, line, name }) => `${file}:${line} ${name}`).join(', ')} left out`;
    // With `any`, an address that is allowed is enough, and whoever is not would have been asked.
    if (isAny && rules.drafts.length > 0) {
      route.access.push(Draft.of({ deny: 'all' }).note(`in place of what was asked: ${reason}`));
    } else route.close(reason);
  }
  importLimitExcept(scope, route, state);
}

/** What is on here, and left out. */
function askedOf(scope: Scope, state: NginxState): Directive[] {
  const found: Directive[] = [];
  for (const [name, remedy] of Object.entries(ASKED)) {
    const directive = scope.last(name);
    if (directive === undefined) continue;
    if (directive.args[0] === 'off') {
      state.report.needless(directive, 'sluice does not ask');
      continue;
    }
    const isPart = name === 'auth_basic_user_file';
    if (isPart && (scope.last('auth_basic')?.args[0] ?? 'off') === 'off') {
      state.report.needless(directive, 'auth_basic is off');
      continue;
    }
    state.report.leftOut(directive, {
      reason: 'there is no such thing in sluice',
      remedy,
      decides: true,
    });
    if (!isPart) found.push(directive);
  }
  return found;
}

/** `limit_except GET {…}`: its rules hold for all methods but those that it names. */
function importLimitExcept(scope: Scope, route: RouteDraft, state: NginxState): void {
  for (const directive of scope.own('limit_except')) {
    const block = directive.block ?? [];
    const inner = rulesOf(
      block.filter(({ name }) => name === 'allow' || name === 'deny'),
      state,
    );
    const asked = block.filter(
      ({ name }) => Object.hasOwn(ASKED, name) && name !== 'auth_basic_user_file',
    );
    for (const other of block) {
      if (other.name === 'allow' || other.name === 'deny') continue;
      const remedy = ASKED[other.name] ?? 'write an access rule with methods';
      state.report.leftOut(other, {
        reason: 'not to be had for some methods',
        remedy,
        decides: true,
      });
    }
    state.report.imported(directive);
    const isClosed =
      asked.length > 0 || inner.isBroken || inner.drafts.length < inner.places.length;
    const rules = isClosed ? [Draft.of({ deny: 'all' })] : inner.drafts;
    // Rules inside take the place of those around; without any, those around go on.
    const others = rules.length === 0 ? route.access : rules;
    route.access = [...onlyMethods(route.access, directive.args), ...others];
    route.accessPlaces.push(directive);
  }
}

/** The rules for these methods alone; who comes to the end of them is allowed. */
export function onlyMethods(rules: readonly Draft[], methods: readonly string[]): Draft[] {
  const limited = rules.map((rule) => new Draft().absorb(rule).set('methods', [...methods]));
  return [...limited, Draft.of({ allow: 'all', methods: [...methods] })];
}
