/** `if (…)` as what a route of ours asks for. */
import { escapedPattern, importedPattern, PatternProblem } from '../regular-expressions.ts';
import type { Directive } from './parser.ts';

/** What a route may ask for beside its path, host and scheme. */
export interface Extra {
  readonly hosts?: readonly string[];
  readonly scheme?: 'http' | 'https';
  readonly pattern?: string;
  readonly groups?: ReadonlyMap<string, number>;
  readonly methods?: readonly string[];
  /** All but these. */
  readonly otherMethods?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly from?: readonly string[];
}

/** A text says why there is no such thing. */
export function conditionOf({ args }: Directive): Extra | string {
  const words = [...args];
  words[0] = (words[0] ?? '').replace(/^\(/, '');
  if (words[0] === '') words.shift();
  const last = words.length - 1;
  words[last] = (words[last] ?? '').replace(/\)$/, '');
  if (words[last] === '' && words.length === 4) words.pop();
  if (words[last] === '' && words.length === 2) words.pop();
  const [variable = '', operator = '', value = ''] = words;
  if (words.length > 3) return 'this condition is not understood';
  if (!variable.startsWith('$')) return 'conditions about files are not to be had';
  try {
    return compared(variable.slice(1).replace(/^\{(.*)\}$/, '$1'), operator, value);
  } catch (error) {
    if (error instanceof PatternProblem) return error.message;
    throw error;
  }
}

function compared(name: string, operator: string, value: string): Extra | string {
  if (name === 'request_method') return ofMethod(operator, value);
  if (name === 'host' || name === 'http_host') {
    const isName = /^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/i.test(value);
    if (operator === '=' && isName) return { hosts: [value.toLowerCase()] };
  }
  if (name === 'scheme' && operator === '=') {
    if (value === 'http' || value === 'https') return { scheme: value };
  }
  if (name === 'scheme' && operator === '!=' && value === 'https') return { scheme: 'http' };
  if (name === 'https' && operator === '=' && value === '') return { scheme: 'http' };
  if (name === 'remote_addr' && operator === '=') return { from: [value] };
  if (name === 'uri' || name === 'document_uri') {
    if (operator === '=') return { pattern: `^${escapedPattern(value)}$` };
    if (operator === '~' || operator === '~*') {
      const { text, names } = importedPattern(value, {
        ignoreCase: operator === '~*',
        ofPath: true,
      });
      return { pattern: text, groups: names };
    }
  }
  const header = /^http_(\w+)$/.exec(name)?.[1]?.replaceAll('_', '-');
  if (header !== undefined && operator === '=' && value !== '' && !value.endsWith('*')) {
    return { headers: { [header]: value } };
  }
  if (header !== undefined && operator === '') return { headers: { [header]: '*' } };
  return `a route of sluice cannot ask for this: $${name}${operator === '' ? '' : ` ${operator}`}`;
}

function ofMethod(operator: string, value: string): Extra | string {
  const isPattern = operator.includes('~');
  const shape = isPattern ? /^\^(?:\((?:\?:)?)?([A-Z]+(?:\|[A-Z]+)*)\)?\$$/ : /^([A-Z]+)$/;
  const list = shape.exec(value)?.[1]?.split('|');
  // Without brackets, ^A|B$ is more than two methods.
  if (list === undefined || (list.length > 1 && !value.includes('('))) {
    return 'methods are compared by name here, as in ^(GET|POST)$';
  }
  return operator.startsWith('!') ? { otherMethods: list } : { methods: list };
}
