// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration.
/** Texts with nginx's variables as texts with ours. */
import { isOfOneTarget, variableOfNginx } from '../../routing/variables.ts';

/** What a text may say of a request: all, or what every request of one target has in common. */
export type Reach = 'request' | 'target';

export interface VariableFacts {
  /** The first of `server_name`. */
  readonly serverName: string;
  /** '' when a server has several. */
  readonly port: string;
  /** By name, of the location's regular expression. */
  readonly groups: ReadonlyMap<string, number>;
  /** `$1` and so on have a meaning here. */
  readonly hasPattern: boolean;
  /** By `set`; null for what depends on a condition. */
  readonly constants: ReadonlyMap<string, string | null>;
  /** What `proxy_pass` names; '' elsewhere. */
  readonly proxyHost: string;
}

export interface Translated {
  readonly text: string;
  /** Variables that there are none of here; the text is of no use then. */
  readonly unknown: readonly string[];
}

const VARIABLE = /\$(?:\{(\w+)\}|(\w+))/g;
/** A set variable may name others; not itself, for ever. */
const DEPTH_MAX = 8;

export function translated(
  written: string,
  facts: VariableFacts,
  reach: Reach,
  depth = 0,
): Translated {
  const unknown: string[] = [];
  // The one way in which `$is_args` is written, and says nothing of its own.
  const joined = written.replace(
    /\$(?:uri|document_uri)\$is_args\$(?:args|query_string)/g,
    '$request_uri',
  );
  const text = joined.replace(VARIABLE, (whole, braced?: string, plain?: string) => {
    const value = variableText(braced ?? plain!, facts, reach, depth);
    if (value !== null) return value;
    unknown.push(whole);
    return '';
  });
  if (/\$(?![\w{])/.test(joined)) unknown.push('$');
  return { text, unknown };
}

function variableText(
  name: string,
  facts: VariableFacts,
  reach: Reach,
  depth: number,
): string | null {
  if (/^[1-9]$/.test(name)) return facts.hasPattern && reach === 'request' ? `$${name}` : null;
  if (facts.constants.has(name)) {
    const value = facts.constants.get(name)!;
    if (value === null || depth > DEPTH_MAX) return null;
    const inner = translated(value, facts, reach, depth + 1);
    return inner.unknown.length > 0 ? null : inner.text;
  }
  const group = facts.groups.get(name);
  if (group !== undefined) return reach === 'request' && group <= 9 ? `$${group}` : null;
  if (name === 'server_name') return facts.serverName === '' ? null : facts.serverName;
  if (name === 'server_port') return facts.port === '' ? null : facts.port;
  if (name === 'proxy_host') return facts.proxyHost === '' ? null : facts.proxyHost;
  const ours = variableOfNginx(name === 'document_uri' ? 'uri' : name);
  if (ours === undefined || (reach === 'target' && !isOfOneTarget(ours))) return null;
  return `\${${ours}}`;
}

/** Whether a text has variables of nginx. */
export function namesVariables(text: string): boolean {
  return /\$[\w{]/.test(text);
}

/** For what is a URI: other characters as %XX. */
export function uriText(text: string): string {
  return text.replace(/[^\x21-\x7e]/gu, (character) =>
    [...Buffer.from(character)]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  );
}
