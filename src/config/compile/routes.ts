// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration.
import { readFileSync, statSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { type Captures, capturesOf, NO_CAPTURES } from '../../routing/captures.ts';
import { ERROR_PAGE_BYTES_MAX } from '../../routing/error-pages.ts';
import { compileEdits } from '../../routing/field-edits.ts';
import { compilePattern } from '../../routing/pattern.ts';
import { compileRateKey } from '../../routing/rate-limit.ts';
import { Rewrite } from '../../routing/rewrite.ts';
import {
  type AccessRule,
  alwaysEdit,
  COMPRESSION_ENCODINGS_DEFAULT,
  COMPRESSION_SIZE_MIN_DEFAULT,
  COMPRESSION_TYPES_DEFAULT,
  type CompressionOptions,
  type EditStep,
  type ErrorPages,
  type Maintenance,
  type RateLimit,
  type RewriteOptions,
  type RouteAction,
  type RouteOptions,
} from '../../routing/route.ts';
import { compileTemplate, hasVariables } from '../../routing/variables.ts';
import type { KeyPath } from '../document/diagnostic.ts';
import { DEFAULT_GROUP } from '../resolve.ts';
import type { RoutesEntry } from '../schema/routes.ts';
import { nearestWord } from '../suggestion.ts';
import type { CompileContext } from './context.ts';
import { compileEditSteps } from './field-edits.ts';
import { compileRouteCache } from './route-cache.ts';
import { checkMethods, checkPath, compileMatch } from './route-match.ts';

type RouteEntry = RoutesEntry[number];
type Part<K extends keyof RouteEntry> = NonNullable<RouteEntry[K]>;

/** `origins`: the names of the groups. */
export function compileRoutes(
  entries: RoutesEntry,
  origins: readonly string[],
  context: CompileContext,
): RouteOptions[] {
  const names = new Set<string>();
  return entries.map((entry, index) => {
    const name = entry.name ?? `routes[${index}]`;
    if (names.has(name))
      context.refuse([index, 'name'], 'another route is called so', 'rename one');
    names.add(name);
    return new RouteCompiler(entry, name, origins, context.below(index)).compile();
  });
}

function remedyForOrigin(origins: readonly string[]): string {
  const example = 'origins: {app: {servers: [http://127.0.0.1:3000]}}';
  const isUnnamed = origins.length === 1 && origins[0] === DEFAULT_GROUP;
  if (origins.length === 0 || isUnnamed) return `name the group, as in ${example}`;
  return `write ${origins.join(' or ')}`;
}

/** Milliseconds. Waiting requests are held in memory, with their connections. */
const DELAY_MAX_MS = 30_000;

const MAINTENANCE_PAGE = {
  contentType: 'text/plain; charset=utf-8',
  content: 'Down for maintenance. Please try again later.\n',
};

const VARIABLE = /\$\{[^{}]*\}/g;

class RouteCompiler {
  readonly #entry: RouteEntry;
  readonly #name: string;
  readonly #origins: readonly string[];
  readonly #context: CompileContext;
  readonly #captures: Captures;

  constructor(
    entry: RouteEntry,
    name: string,
    origins: readonly string[],
    context: CompileContext,
  ) {
    this.#entry = entry;
    this.#name = name;
    this.#origins = origins;
    this.#context = context;
    this.#captures = capturesIn(entry);
  }

  compile(): RouteOptions {
    const entry = this.#entry;
    return {
      name: this.#name,
      match: compileMatch(entry.match ?? {}, this.#context.below('match')),
      action: this.#action(),
      rewrite: entry.rewrite === undefined ? null : this.#rewrite(entry.rewrite),
      requestFields: this.#edits('request'),
      responseFields: this.#edits('response'),
      underscoresInFields: entry['underscores-in-headers'] ?? 'pass',
      access: (entry.access ?? []).map((rule, i) => this.#access(rule, i)),
      rateLimit: this.#rateLimit(),
      requestBytesMax: entry['request-body-max'] ?? null,
      maintenance: this.#maintenance(),
      compression: this.#compression(),
      errorPages: this.#errorPages(),
      cache: compileRouteCache(entry.cache ?? {}, this.#context.below('cache')),
    };
  }

  #refuse(path: KeyPath, problem: string, remedy: string): void {
    this.#context.refuse(path, problem, remedy);
  }

  /** Runs what may throw SyntaxError, and notes it. */
  #attempt(path: KeyPath, remedy: string, body: () => void): void {
    try {
      body();
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.#refuse(path, error.message, remedy);
    }
  }

  #action(): RouteAction {
    const { origin, redirect, respond, match } = this.#entry;
    const given = [origin, redirect, respond].filter((one) => one !== undefined);
    if (given.length !== 1) {
      const problem = given.length === 0 ? 'nothing says who answers' : 'two say who answers';
      this.#refuse([], problem, 'write one of origin, redirect and respond');
    }
    if (redirect !== undefined) {
      this.#redirect(redirect.to, match?.['path-pattern'] ?? '');
      return { kind: 'redirect', to: redirect.to, status: redirect.status ?? 308 };
    }
    if (respond !== undefined) {
      return this.#respond(respond);
    }
    const origins = this.#origins;
    if (origin !== undefined && hasVariables(origin)) {
      this.#attempt(['origin'], 'write a name, or a group of host-pattern or path-pattern', () => {
        compileTemplate(origin, 'target', { captures: this.#captures });
      });
    } else if (origin !== undefined && !origins.includes(origin)) {
      const near = nearestWord(origin, origins);
      const remedy = near === undefined ? remedyForOrigin(origins) : `did you mean ${near}?`;
      this.#refuse(['origin'], `no origin is called ${origin}`, remedy);
    }
    return { kind: 'origin', origin: origin ?? '' };
  }

  #respond(respond: Part<'respond'>): RouteAction {
    const { status, headers = {}, body, 'body-file': file } = respond;
    this.#attempt(['respond', 'headers'], 'change or remove it', () => {
      compileEdits([alwaysEdit({ set: headers })], 'response', this.#captures);
    });
    if (body !== undefined && file !== undefined) {
      this.#refuse(['respond', 'body-file'], 'there is a body, too', 'remove one of them');
    }
    const page = file === undefined ? undefined : this.#page(['respond', 'body-file'], file);
    const content = page?.content ?? body ?? '';
    const contentType = page?.contentType ?? CONTENT_TYPES['.txt']!;
    return { kind: 'respond', status, fields: withType(headers, content, contentType), content };
  }

  #redirect(to: string, pathPattern: string): void {
    let isTemplate = false;
    this.#attempt(['redirect', 'to'], 'use one of those', () => {
      compileTemplate(to, 'request', { captures: this.#captures });
      isTemplate = true;
    });
    if (isTemplate && /\$[A-Za-z_]|(?<!\$)\{/.test(to)) {
      const remedy = 'write variables as in https://${host}${target}';
      this.#refuse(['redirect', 'to'], 'no variable of sluice', remedy);
    }
    if (!/^[\x21-\x7e]+$/.test(to)) {
      this.#refuse(['redirect', 'to'], 'no URI reference', 'write other characters as %XX');
    }
    if (/\$[1-9]/.test(to) && pathPattern === '') {
      this.#refuse(
        ['redirect', 'to'],
        'there is no pattern that $1 could be of',
        'add path-pattern',
      );
    }
  }

  #rewrite(rewrite: Part<'rewrite'>): RewriteOptions {
    const { replace } = rewrite;
    let isPattern = replace === undefined;
    if (replace !== undefined) {
      this.#attempt(['rewrite', 'replace', 'pattern'], 'write it another way', () => {
        compilePattern(replace.pattern);
        isPattern = true;
      });
    }
    for (const key of ['strip-prefix', 'add-prefix'] as const) {
      const written = rewrite[key];
      if (written?.endsWith('*')) {
        const prefix = written.slice(0, written.indexOf('*'));
        const remedy = `write ${key}: ${(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix) || '/'}`;
        this.#refuse(['rewrite', key], '* has no meaning here', remedy);
      }
      checkPath(['rewrite', key], (rewrite[key] ?? '').replaceAll(VARIABLE, 'x'), this.#context);
    }
    const options = {
      stripPrefix: rewrite['strip-prefix'] ?? '',
      replace: replace ?? null,
      addPrefix: rewrite['add-prefix'] ?? '',
      queryRemove: rewrite['query-remove'] ?? [],
      querySet: rewrite['query-set'] ?? {},
      host: rewrite.host ?? '',
      mapLocation: rewrite['map-location'] ?? true,
    };
    if (isPattern) {
      this.#attempt(['rewrite'], 'write host as example.org, other characters as %XX', () => {
        new Rewrite(options, this.#captures);
      });
    }
    return options;
  }

  #edits(message: 'request' | 'response'): EditStep[] {
    const context = this.#context.below(`${message}-headers`);
    return compileEditSteps(this.#entry[`${message}-headers`], message, this.#captures, context);
  }

  #access(rule: Part<'access'>[number], i: number): AccessRule {
    const { allow, deny, methods = [], paths = [] } = rule;
    checkMethods(['access', i, 'methods'], methods, this.#context);
    if ((allow === undefined) === (deny === undefined)) {
      this.#refuse(['access', i], 'a rule allows or denies', 'write one of allow and deny');
    }
    for (const [j, path] of paths.entries())
      checkPath(['access', i, 'paths', j], path, this.#context);
    const from = allow ?? deny ?? [];
    const effect = allow === undefined ? 'deny' : 'allow';
    return { effect, from: from === 'all' ? [] : from, methods, paths };
  }

  #rateLimit(): RateLimit | null {
    const entry = this.#entry['rate-limit'];
    if (entry === undefined) return null;
    const requestsPerSecond = entry['requests-per-second'];
    const { key = 'address', burst = Math.max(1, Math.ceil(requestsPerSecond)) } = entry;
    const { delay: delayMs = 0 } = entry;
    if (delayMs > DELAY_MAX_MS) {
      this.#refuse(['rate-limit', 'delay'], 'clients do not wait so long', 'write 30s or less');
    }
    if (key === 'address') return { requestsPerSecond, burst, delayMs, key };
    const field = /^header:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)$/.exec(key)?.[1];
    const text = field === undefined ? key : `\${header:${field}}`;
    if (!hasVariables(text)) {
      const remedy = 'write address, header:NAME, or variables as in ${cookie:session}';
      this.#refuse(['rate-limit', 'key'], 'no such key', remedy);
    }
    this.#attempt(['rate-limit', 'key'], 'use one of those', () => {
      compileRateKey(text);
    });
    return { requestsPerSecond, burst, delayMs, key: { text } };
  }

  #maintenance(): Maintenance | null {
    const { maintenance } = this.#entry;
    if (maintenance === undefined || maintenance === false) return null;
    const entry = maintenance === true ? {} : maintenance;
    if (entry.enabled === false) return null;
    const file = entry['body-file'];
    const page = file === undefined ? undefined : this.#page(['maintenance', 'body-file'], file);
    const { contentType, content } = page ?? MAINTENANCE_PAGE;
    const retryAfterSeconds = Math.ceil((entry['retry-after'] ?? 0) / 1_000);
    return { contentType, content, retryAfterSeconds, except: entry.except ?? [] };
  }

  #compression(): CompressionOptions | null {
    const { compression } = this.#entry;
    if (compression === undefined || compression === false) return null;
    const entry = compression === true ? {} : compression;
    return {
      encodings: entry.encodings ?? COMPRESSION_ENCODINGS_DEFAULT,
      minBytes: entry['min-size'] ?? COMPRESSION_SIZE_MIN_DEFAULT,
      types: (entry.types ?? COMPRESSION_TYPES_DEFAULT).map((type) => type.toLowerCase()),
    };
  }

  #errorPages(): ErrorPages | null {
    const entry = this.#entry['error-pages'];
    if (entry === undefined) return null;
    const pages: Record<string, { contentType: string; content: string }> = {};
    for (const [status, file] of Object.entries(entry)) {
      if (status === 'intercept' || typeof file !== 'string') continue;
      const page = this.#page(['error-pages', status], file);
      if (page !== undefined) pages[status] = page;
    }
    return { pages, intercept: entry.intercept === true };
  }

  #page(key: KeyPath, file: string): { contentType: string; content: string } | undefined {
    const path = resolve(this.#context.directory, file);
    const contentType = CONTENT_TYPES[extname(path).toLowerCase()] ?? CONTENT_TYPES['.txt']!;
    try {
      if (statSync(path).size > ERROR_PAGE_BYTES_MAX) {
        const problem = `${path} is longer than ${ERROR_PAGE_BYTES_MAX} bytes`;
        this.#refuse(key, problem, 'make the page smaller');
        return undefined;
      }
      return { contentType, content: readFileSync(path, 'utf8') };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const problem = `${path} cannot be read (${code})`;
      this.#refuse(key, problem, 'name a file that this user may read');
      return undefined;
    }
  }
}

/** None where the patterns are none: that is told where they stand. */
function capturesIn({ match = {} }: RouteEntry): Captures {
  const [pathPattern, hostPattern] = [match['path-pattern'] ?? '', match['host-pattern'] ?? ''];
  try {
    return capturesOf({ pathPattern, hostPattern, ignoreCase: match['ignore-case'] ?? false });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return NO_CAPTURES;
  }
}

const CONTENT_TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.htm': 'text/html; charset=utf-8',
  '.json': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
  '.xml': 'application/xml',
};

function withType(
  fields: Readonly<Record<string, string>>,
  body: string,
  contentType: string,
): Readonly<Record<string, string>> {
  const hasType = Object.keys(fields).some((name) => name.toLowerCase() === 'content-type');
  return hasType || body === '' ? fields : { ...fields, 'content-type': contentType };
}
