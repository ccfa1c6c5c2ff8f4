/**
 * From values as written to validated, frozen options.
 *
 * Long because it names every option once, in the order of the options.
 */

import { accessSync, closeSync, constants, existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import type { AcmeOptions } from '../acme/options.ts';
import type { AddressRange } from '../base/address-range.ts';
import { makeDirectory } from '../base/careful-files.ts';
import { UsageError, type Warn } from '../base/errors.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { diskCapacityMin } from '../cache/disk/limits.ts';
import type { ClusterOptions } from '../cluster/options.ts';
import { type ListenerOptions, plainListener } from '../downstream/options.ts';
import { defaultClientIdentityFields } from '../proxy/request/client-identity.ts';
import { defaultEarlyDataPolicy } from '../proxy/request/early-data.ts';
import { plainRoute } from '../routing/route.ts';
import { openLogFile } from '../telemetry/log-file.ts';
import {
  type ErrorLogOptions,
  isWritten,
  type LogOptions,
  type PossibleLog,
  plainErrorLog,
  plainLog,
} from '../telemetry/log-options.ts';
import { type CertificatePair, type HostTlsOptions, plainHost } from '../tls/host-options.ts';
import { plainGroup } from '../upstream/options.ts';
import { checkAuthorities, readCertificatePair } from './certificate.ts';
import type { ServingCommand } from './command-line.ts';
import { defaultTimeouts } from './compile/timeouts.ts';
import { diagnosticsError } from './document/diagnostic.ts';
import type { ExplicitOptions } from './explicit-values.ts';
import {
  type NameWithDefault,
  type OptionName,
  type OptionValue,
  optionNamed,
  readOption,
} from './option-table.ts';
import { type ExplicitValue, isLoopback, refuse } from './option-values.ts';
import {
  type CertificateFiles,
  type HostOptions,
  type OriginOptions,
  plainTls,
  type SluiceOptions,
} from './options.ts';
import { pairInUse } from './pair-in-use.ts';
import type { FileSections } from './sections.ts';
import { type TransportPolicy, withTransportPolicies } from './secure-transport.ts';
import { selfSignedCertificate } from './self-signed-store.ts';
import { checkTicketKeyFile } from './ticket-key-file.ts';

/** The group and the route that --origin is short for. */
export const DEFAULT_GROUP = 'default';

export interface Surroundings {
  readonly command: ServingCommand;
  readonly nowMs: number;
  /** Where a self-signed certificate is kept. */
  readonly stateDirectory: string;
  /** The demo's origin; null for `run`, which must name one. */
  readonly demoOrigin: OriginOptions | null;
  /** Nothing is made, opened or kept: what a start would have to do is only looked at. */
  readonly isCheck?: boolean;
  /** What the configuration file was called, when there is one. */
  readonly file?: string;
  /** On a reload: a certificate of them stays when its files cannot be used any more. */
  readonly hostsInUse?: readonly HostOptions[];
  readonly warn: Warn;
}

/**
 * `sections`: what a file says beyond flags. Throws UsageError: of flags for the first that is wrong,
 * of a file with all that is wrong in it.
 */
export async function resolveOptions(
  given: ExplicitOptions,
  surroundings: Surroundings,
  sections: FileSections = {},
): Promise<SluiceOptions> {
  const values = new OptionValues(given, surroundings.command);
  const isDemo = surroundings.command === 'demo';
  const workersOf = () => values.one('workers') ?? (isDemo ? 1 : availableParallelism());
  const attempts = new Attempts();
  const resolved = attempts.all({
    traffic: () => resolveTraffic(values, surroundings, sections),
    listeners: () => resolveListeners(values, sections),
    tls: () => resolveTls(values, surroundings, sections),
    cluster: () => resolveCluster(values),
    workers: workersOf,
    cache: () => resolveCache(values, workersOf(), surroundings),
    purgeFrom: () => resolveRanges(values, 'purge-from'),
    trustedProxies: () => resolveRanges(values, 'trusted-proxies'),
    trustedProxiesHeader: () => values.required('trusted-proxies-header'),
    plugins: () => sections.plugins ?? [],
    connect: () => sections.connect ?? null,
    requestBody: () => (sections.timeouts ?? defaultTimeouts).requestBody,
    features: () => Object.fromEntries(values.every('feature')),
    faults: () => resolveFaults(values, surroundings),
    logs: () => resolveLogs(values, surroundings, sections),
    errorLog: () => resolveErrorLog(values, surroundings, sections),
    admin: () => resolveAdmin(values, sections),
    adminToken: () => resolveAdminToken(values),
    account: () => values.one('user') ?? null,
    pidFile: () => values.one('pid-file') ?? null,
    drainTimeoutMs: () => values.required('drain-timeout'),
    drainGraceMs: () => values.required('drain-grace'),
  });
  const isSecure = resolved.listeners?.some(({ kind }) => kind === 'https') ?? false;
  const hosts = await attempts.one(async () => {
    const found = await resolveHosts(values, isSecure, surroundings, sections);
    const { listeners = [], cluster = null } = resolved;
    return withAcme(found, { values, surroundings, section: sections.acme, listeners, cluster });
  });
  const { traffic, cache, faults, ...rest } = attempts.finish({ ...resolved, hosts: hosts?.hosts });
  const acme = hosts?.acme ?? null;
  const { origins } = traffic;
  const policies = transportPolicies(values, rest.listeners, surroundings, sections);
  const routes = withTransportPolicies(traffic.routes, policies, rest.listeners);
  return Object.freeze({ ...rest, origins, routes, ...cache, ...faults, acme });
}

/** Of the flag, and of each host. Warns of what can have no effect. */
function transportPolicies(
  values: OptionValues,
  listeners: readonly ListenerOptions[],
  { warn }: Surroundings,
  { transportPolicies: ofHosts = [] }: FileSections,
): readonly TransportPolicy[] {
  const isForAll = values.required('redirect-to-https');
  const all = { names: [], redirectToHttps: true, hsts: '' };
  const policies = isForAll ? [all, ...ofHosts] : ofHosts;
  const kinds = new Set(listeners.map(({ kind }) => kind));
  if (!policies.some(({ redirectToHttps }) => redirectToHttps)) return policies;
  if (!kinds.has('http')) warn('redirect-to-https: nothing listens without TLS; add --http 80');
  if (!kinds.has('https')) {
    throw new UsageError(
      'redirect-to-https: nothing listens with TLS, where it would lead',
      'add --https 443, or leave it out',
    );
  }
  return policies;
}

type Outcome<T> = { [K in keyof T]: T[K] | undefined };

/** Goes on after a mistake, so that all of them are found. */
class Attempts {
  readonly #errors: UsageError[] = [];

  all<T>(parts: { readonly [K in keyof T]: () => T[K] }): Outcome<T> {
    const outcome: Partial<T> = {};
    for (const name of Object.keys(parts) as (keyof T)[]) {
      try {
        outcome[name] = parts[name]();
      } catch (error) {
        this.#note(error);
      }
    }
    return outcome as Outcome<T>;
  }

  async one<T>(body: () => Promise<T>): Promise<T | undefined> {
    try {
      return await body();
    } catch (error) {
      this.#note(error);
      return undefined;
    }
  }

  #note(error: unknown): void {
    if (!(error instanceof UsageError)) throw error;
    this.#errors.push(error);
  }

  /** Throws what was noted. */
  finish<T extends object>(outcome: T): { [K in keyof T]: Exclude<T[K], undefined> } {
    const ofFlags = this.#errors.find(({ diagnostics }) => diagnostics.length === 0);
    if (ofFlags !== undefined) throw ofFlags;
    const diagnostics = this.#errors.flatMap((error) => error.diagnostics);
    if (diagnostics.length > 0) throw diagnosticsError(diagnostics);
    return outcome as { [K in keyof T]: Exclude<T[K], undefined> };
  }
}

/** What was given, then what is the default, read as the option's type says. */
class OptionValues {
  readonly #given: ExplicitOptions;
  readonly #command: ServingCommand;

  constructor(given: ExplicitOptions, command: ServingCommand) {
    this.#given = given;
    this.#command = command;
  }

  given(name: OptionName): readonly ExplicitValue[] | undefined {
    return this.#given.get(name);
  }

  /** Whether a flag says it, which has precedence over all that a file says. */
  isByFlag(name: OptionName): boolean {
    return this.#given.get(name)?.some(({ position }) => position === undefined) ?? false;
  }

  /** The value given, or undefined. */
  one<N extends OptionName>(name: N): OptionValue<N> | undefined {
    const value = this.#given.get(name)?.at(-1);
    return value === undefined ? undefined : readOption(name, value);
  }

  /** The value given, or the default. */
  required<N extends NameWithDefault>(name: N): OptionValue<N> {
    return readOption(name, this.#given.get(name)?.at(-1) ?? this.#default(name));
  }

  /** Every value given. */
  every<N extends OptionName>(name: N): OptionValue<N>[] {
    return (this.#given.get(name) ?? []).map((value) => readOption(name, value));
  }

  #default(name: NameWithDefault): ExplicitValue {
    const { defaultText, demoDefaultText } = optionNamed(name)!;
    const isDemo = this.#command === 'demo';
    const text = (isDemo ? demoDefaultText : undefined) ?? defaultText;
    return { text, place: `--${name}`, directory: '/' };
  }
}

type Traffic = Pick<SluiceOptions, 'origins' | 'routes'>;

/** Who answers: --origin is short for one group and one route to it. */
function resolveTraffic(
  values: OptionValues,
  surroundings: Surroundings,
  { origins, routes }: FileSections,
): Traffic {
  if (values.isByFlag('origin') || surroundings.demoOrigin !== null) {
    const origin = plainGroup(DEFAULT_GROUP, resolveOrigin(values, surroundings));
    return { origins: [origin], routes: [plainRoute(DEFAULT_GROUP)] };
  }
  const [first] = origins ?? [];
  if (origins !== undefined && first !== undefined) {
    return { origins, routes: routes ?? [plainRoute(first.name)] };
  }
  const asksNobody = routes?.every(({ action }) => action.kind !== 'origin') ?? false;
  if (asksNobody && values.given('origin') === undefined) return { origins: [], routes: routes! };
  const origin = plainGroup(DEFAULT_GROUP, resolveOrigin(values, surroundings));
  return { origins: [origin], routes: routes ?? [plainRoute(DEFAULT_GROUP)] };
}

function resolveOrigin(values: OptionValues, surroundings: Surroundings): OriginOptions {
  const given = values.given('origin')?.at(-1);
  if (surroundings.demoOrigin !== null) {
    if (given === undefined) return surroundings.demoOrigin;
    refuse(given, 'the demo has its own origin', 'leave demo out to serve this one');
  }
  const origin = values.one('origin');
  if (origin === undefined) {
    const { placeholder, example } = optionNamed('origin')!;
    const { file } = surroundings;
    if (file !== undefined) {
      const problem = 'it has neither origin nor origins';
      throw diagnosticsError([
        { file, line: 1, column: 1, key: '', problem, remedy: `write origin: ${example}` },
      ]);
    }
    throw new UsageError(
      '--origin: it is missing',
      `write --origin ${placeholder}, as in --origin ${example}, or try sluice demo`,
    );
  }
  const ca = values.given('origin-ca')?.at(-1);
  const caFile = values.one('origin-ca') ?? '';
  if (ca !== undefined) checkAuthorities(ca, caFile);
  const skipsVerification = values.required('danger-skip-origin-verification');
  if (skipsVerification) {
    surroundings.warn("--danger-skip-origin-verification: the origin's identity is not checked");
  }
  return { ...origin, caFile, verify: !skipsVerification };
}

function resolveTls(values: OptionValues, surroundings: Surroundings, { tls }: FileSections) {
  const ticketKeyFile = values.required('ticket-key-file');
  const given = values.given('ticket-key-file')?.at(-1);
  if (given !== undefined && ticketKeyFile !== null) {
    checkTicketKeyFile(given, ticketKeyFile, surroundings.warn);
  }
  return { ...(tls ?? plainTls), ticketKeyFile };
}

function resolveCluster(values: OptionValues): ClusterOptions | null {
  const url = values.required('cluster');
  const timeoutMs = values.required('cluster-timeout');
  return url === null ? null : { url, timeoutMs };
}

function resolveListeners(
  values: OptionValues,
  { listeners }: FileSections,
): readonly ListenerOptions[] {
  const http3 = { ...plainListener.http3, isOn: values.required('http3') };
  if (listeners !== undefined && !KINDS.some((kind) => values.isByFlag(kind))) return listeners;
  const isGiven = KINDS.some((kind) => values.given(kind) !== undefined);
  const endpointsOf = (kind: 'http' | 'https') =>
    isGiven ? values.every(kind) : [values.required(kind)];
  const http2 = values.required('http2-cleartext');
  const from = resolveRanges(values, 'proxy-protocol-from');
  const proxyProtocol =
    from === null ? plainListener.proxyProtocol : ({ accept: 'required', from } as const);
  refuseTaken(values, [...KINDS], []);
  return KINDS.flatMap((kind) =>
    endpointsOf(kind).map((address) => {
      const http2Cleartext = http2 && kind === 'http';
      return { ...plainListener, kind, address, http2Cleartext, http3, proxyProtocol };
    }),
  );
}

const KINDS = ['http', 'https'] as const;

function resolveRanges(
  values: OptionValues,
  name: 'purge-from' | 'proxy-protocol-from' | 'trusted-proxies',
): AddressRange[] | null {
  const given = values.given(name);
  if (given === undefined || given.length === 1) return values.required(name);
  const ranges = values.every(name);
  const off = given[ranges.indexOf(null)];
  if (off !== undefined) refuse(off, 'given beside addresses', 'leave either out');
  return ranges.flatMap((some) => some ?? []);
}

/** Two of our own sockets cannot have one address; port 0 is another one each time. */
function refuseTaken(
  values: OptionValues,
  names: readonly ('http' | 'https' | 'admin')[],
  others: readonly SocketAddress[],
): void {
  const taken = new Set(others.map((address) => JSON.stringify(address)));
  for (const name of names) {
    for (const given of values.given(name) ?? []) {
      const address = readOption(name, given);
      if (address === null || ('port' in address && address.port === 0)) continue;
      const text = JSON.stringify(address);
      if (taken.has(text))
        refuse(given, 'it is the address of another listener', 'write another port');
      taken.add(text);
    }
  }
}

function readSecret(given: ExplicitValue, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    refuse(given, `cannot be read (${code})`, 'name a file that this user may read');
  }
}

/** Shorter ones can be tried out. */
const TOKEN_CHARACTERS_MIN = 16;

function resolveAdminToken(values: OptionValues): string | null {
  const given = values.given('admin-token-file')?.at(-1);
  const file = values.one('admin-token-file');
  if (given === undefined || file === undefined) return null;
  const token = readSecret(given, file).trim();
  if (token.length >= TOKEN_CHARACTERS_MIN && !/\s/.test(token)) return token;
  const remedy = 'write one line without spaces, as openssl rand -hex 32 makes it';
  refuse(given, `not a secret of at least ${TOKEN_CHARACTERS_MIN} characters`, remedy);
}

function resolveAdmin(
  values: OptionValues,
  { listeners = [] }: FileSections,
): SocketAddress | null {
  const isInForce = !KINDS.some((kind) => values.isByFlag(kind));
  const others = isInForce ? listeners.map(({ address }) => address) : [];
  refuseTaken(values, [...KINDS, 'admin'], others);
  const given = values.given('admin')?.at(-1);
  const admin = values.required('admin');
  if (admin === null || given === undefined || isLoopback(admin)) return admin;
  refuse(
    given,
    'not a loopback address',
    'the admin endpoint is for this machine only: write 127.0.0.1:PORT',
  );
}

/** Memory of a cache on disk when none is given, at most. */
const CACHE_MEMORY_BYTES_MAX = 256 * 2 ** 20;

type CacheOptions = Pick<SluiceOptions, 'cacheSizeBytes' | 'cacheMemoryBytes' | 'cacheDirectory'>;

function resolveCache(
  values: OptionValues,
  workers: number,
  surroundings: Surroundings,
): CacheOptions {
  let cacheSizeBytes = values.required('cache-size');
  refuseTinyCaches(values);
  const directory = values.given('cache-dir')?.at(-1);
  const memory = values.given('cache-memory')?.at(-1);
  const memoryBytes = values.one('cache-memory');
  if (directory === undefined) {
    if (memory !== undefined) {
      refuse(memory, 'there is no --cache-dir', 'write --cache-size for a cache in memory');
    }
    return { cacheSizeBytes, cacheMemoryBytes: cacheSizeBytes, cacheDirectory: null };
  }
  const cacheDirectory = values.one('cache-dir')!;
  const sizeMin = diskCapacityMin(workers);
  const size = values.given('cache-size')?.at(-1);
  if (size === undefined) {
    cacheSizeBytes = Math.max(cacheSizeBytes, sizeMin);
  } else if (cacheSizeBytes > 0 && cacheSizeBytes < sizeMin) {
    const problem = `too small for a cache on disk with ${workers} workers`;
    refuse(size, problem, `write at least ${sizeMin / 2 ** 20}MiB, or 0 to store nothing`);
  }
  if (surroundings.isCheck !== true) makeCacheDirectory(directory, cacheDirectory);
  const quarter = Math.min(Math.floor(cacheSizeBytes / 4), CACHE_MEMORY_BYTES_MAX);
  return { cacheSizeBytes, cacheMemoryBytes: memoryBytes ?? quarter, cacheDirectory };
}

/** In less no response has room; who writes less has forgotten the unit. Bytes. */
const CACHE_BYTES_MIN = 65_536;

function refuseTinyCaches(values: OptionValues): void {
  for (const name of ['cache-size', 'cache-memory'] as const) {
    const given = values.given(name)?.at(-1);
    const bytes = given === undefined ? 0 : readOption(name, given);
    if (bytes === 0 || bytes >= CACHE_BYTES_MIN) continue;
    const { example } = optionNamed(name)!;
    refuse(given!, `that is ${bytes} bytes`, `write a unit, as in ${example}, or 0 for none`);
  }
}

/** Of a path that can be no directory, whatever becomes of the file system. */
const NO_DIRECTORY = new Set(['ENOTDIR', 'EEXIST', 'ENAMETOOLONG', 'ELOOP', 'EINVAL']);

/**
 * Now, so that a mistake is found once and not by every worker. What may be otherwise later (a disk
 * that is full or read-only, a directory of another user) is no mistake: the cache is in memory then.
 */
function makeCacheDirectory(given: ExplicitValue, path: string): void {
  try {
    makeDirectory(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!NO_DIRECTORY.has(code ?? '')) return;
    refuse(given, `cannot be used (${code})`, 'name a directory, or one that can be made');
  }
}

function resolveFaults(
  values: OptionValues,
  { stateDirectory }: Surroundings,
): Pick<SluiceOptions, 'recorder' | 'autoDisable' | 'dangerModules'> {
  const directory = values.one('incident-dir');
  return {
    recorder: {
      directory: directory === undefined ? join(stateDirectory, 'incidents') : directory,
      addresses: values.required('incident-addresses'),
      earlyDataDigest: values.required('incident-early-data-digest'),
      watchdogMs: values.required('watchdog'),
      debugger: values.required('debugger'),
    },
    autoDisable: {
      enabled: values.required('auto-disable'),
      deathsMax: values.required('auto-disable-deaths'),
      windowMs: values.required('auto-disable-window'),
      webhook: values.required('auto-disable-webhook'),
    },
    dangerModules: values.every('danger-module'),
  };
}

/** Those of the file, and one for each flag. */
function resolveLogs(
  values: OptionValues,
  surroundings: Surroundings,
  { logs = [] }: FileSections,
): LogOptions[] {
  const format = values.required('log-format');
  const scope = values.required('handshake-log-scope');
  const type = scope === 'all' ? 'handshakes' : 'failed-handshakes';
  const ofFlags: PossibleLog[] = [
    { ...plainLog, target: resolveLog(values, 'access-log', surroundings), format },
    {
      ...plainLog,
      target: resolveLog(values, 'handshake-log', surroundings),
      type,
      format: 'json',
    },
  ];
  return [...logs, ...ofFlags.filter(isWritten)];
}

function resolveErrorLog(
  values: OptionValues,
  surroundings: Surroundings,
  { errorLogRotate = null }: FileSections,
): ErrorLogOptions {
  const target = resolveLog(values, 'error-log', surroundings);
  const said = values.every('log-level');
  const level = said.findLast(([subsystem]) => subsystem === null)?.[1] ?? plainErrorLog.level;
  const levels = Object.fromEntries(said.filter(([subsystem]) => subsystem !== null));
  // A flag may have taken the file's place.
  const rotate = target?.startsWith('/') ? errorLogRotate : null;
  return {
    target,
    format: values.required('error-log-format'),
    level,
    levels,
    rotate,
  };
}

/** Opens the file once, so that a mistake is found now and not by every worker. Null for `off`. */
function resolveLog(
  values: OptionValues,
  name: 'access-log' | 'handshake-log' | 'error-log',
  { isCheck = false }: Surroundings,
): string | null {
  const target = values.required(name);
  const given = values.given(name)?.at(-1);
  if (given === undefined || target === null || target === '-') return target;
  try {
    if (isCheck) accessSync(existsSync(target) ? target : dirname(target), constants.W_OK);
    else closeSync(openLogFile(target));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    refuse(given, `cannot be written (${code})`, 'name a file that this user may write');
  }
  return target;
}

/** The one host that flags can describe. */
async function resolveHosts(
  values: OptionValues,
  isNeeded: boolean,
  surroundings: Surroundings,
  { hosts }: FileSections,
): Promise<readonly HostOptions[]> {
  const enabled = values.required('early-data');
  const isPlain = values.isByFlag('cert') || values.isByFlag('key');
  if (hosts !== undefined && !isPlain) {
    if (!isNeeded) surroundings.warn('hosts: not used, because nothing listens for https');
    return isNeeded ? hosts.map((host) => withEarlyData(host, enabled)) : [];
  }
  const names = values.every('acme-name');
  if (names.length > 0 && !isPlain) {
    const own = { certificateFiles: [], isAcme: true };
    return isNeeded ? [hostOfFlags(enabled, { names, certificates: [] }, own)] : [];
  }
  refuseAcmeWithoutNames(values, hosts);
  const resolved = await resolveCertificate(values, isNeeded, surroundings);
  if (resolved === null || !isNeeded) return [];
  const { pair, files } = resolved;
  const own = { certificateFiles: [files], isAcme: false };
  return [hostOfFlags(enabled, { certificates: [pair] }, own)];
}

/** The one host that flags make; the certificate of `--acme-name` is yet to come. */
function hostOfFlags(
  enabled: boolean,
  tls: Pick<HostTlsOptions, 'certificates'> & Partial<HostTlsOptions>,
  own: Pick<HostOptions, 'certificateFiles' | 'isAcme'>,
): HostOptions {
  const earlyData = { ...plainHost.earlyData, enabled };
  return {
    tls: { ...plainHost, ...tls, earlyData },
    ...own,
    earlyDataPolicy: defaultEarlyDataPolicy,
    clientIdentityFields: defaultClientIdentityFields,
  };
}

/** Nothing that a file says makes --acme useful without a name. */
function refuseAcmeWithoutNames(values: OptionValues, hosts: FileSections['hosts']): void {
  const given = values.given('acme')?.at(-1);
  if (given === undefined || given.text === 'off' || hosts !== undefined) return;
  if (!values.isByFlag('acme') || values.isByFlag('cert')) return;
  refuse(given, 'for which names?', 'add --acme-name NAME, or hosts with certificates: acme');
}

/** Hosts with the certificates that they have by now, and how they get others. */
async function withAcme(
  hosts: readonly HostOptions[],
  input: {
    readonly values: OptionValues;
    readonly surroundings: Surroundings;
    readonly section: FileSections['acme'];
    readonly listeners: readonly ListenerOptions[];
    readonly cluster: ClusterOptions | null;
  },
): Promise<{ hosts: readonly HostOptions[]; acme: AcmeOptions | null }> {
  const { values, surroundings, section, listeners, cluster } = input;
  const { stateDirectory } = surroundings;
  const email = values.required('acme');
  const isWanted = hosts.some(({ isAcme }) => isAcme);
  if (!isWanted && section === undefined && email === null) return { hosts, acme: null };
  const { acmeOptionsOf, withIssued } = await import('./acme.ts');
  const acme = acmeOptionsOf(section, email, { stateDirectory, listeners, cluster });
  return { hosts: await withIssued(hosts, acme, surroundings), acme };
}

/** Off for all, or as each host says. */
function withEarlyData(host: HostOptions, enabled: boolean): HostOptions {
  const { earlyData } = host.tls;
  const isOn = earlyData.enabled && enabled;
  return { ...host, tls: { ...host.tls, earlyData: { ...earlyData, enabled: isOn } } };
}

/** Throws UsageError for files that cannot be used, unless what they held before is in use. */
function readOrKeep(
  certificate: ExplicitValue,
  key: ExplicitValue,
  files: CertificateFiles,
  { warn, nowMs, hostsInUse }: Surroundings,
): CertificatePair {
  const first = { given: certificate, path: files.certificateFile };
  try {
    return readCertificatePair(first, { given: key, path: files.keyFile }, warn, nowMs);
  } catch (error) {
    const inUse = pairInUse(hostsInUse, files);
    if (inUse === null || !(error instanceof UsageError)) throw error;
    warn(`${error.message}; what was in use stays`);
    return inUse;
  }
}

async function resolveCertificate(
  values: OptionValues,
  isNeeded: boolean,
  surroundings: Surroundings,
): Promise<{ pair: CertificatePair; files: CertificateFiles | null } | null> {
  const certificate = values.given('cert')?.at(-1);
  const key = values.given('key')?.at(-1);
  if (certificate !== undefined && key !== undefined) {
    if (!isNeeded) surroundings.warn('--cert: not used, because there is no --https');
    const files = {
      certificateFile: readOption('cert', certificate),
      keyFile: readOption('key', key),
    };
    return { pair: readOrKeep(certificate, key, files, surroundings), files };
  }
  if (certificate !== undefined) refuse(certificate, 'has no --key', 'add --key FILE');
  if (key !== undefined) refuse(key, 'has no --cert', 'add --cert FILE');
  if (!isNeeded) return null;
  const { stateDirectory, warn, nowMs, isCheck = false } = surroundings;
  if (isCheck) return { pair: { certificatePem: '', keyPem: '' }, files: null };
  return { pair: await selfSignedCertificate(stateDirectory, warn, nowMs), files: null };
}
