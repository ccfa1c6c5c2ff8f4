/** Reads the text of one option's value. Pure; every refusal says what was expected. */

import { isIPv4, isIPv6 } from 'node:net';
import { resolve } from 'node:path';
import type { AddressRange } from '../base/address-range.ts';
import { type FileDiagnostic, UsageError, type Warn } from '../base/errors.ts';
import { normalHostPattern } from '../base/host-names.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { ClientField } from '../proxy/request/forwarded-chain.ts';
import {
  type LogLevel,
  type LogSubsystem,
  logLevels,
  logSubsystems,
} from '../telemetry/log-event.ts';
import type { ErrorLogFormat } from '../telemetry/log-lines.ts';
import {
  DANGER_PREFIX,
  type DangerName,
  type FeatureName,
  featureNamed,
  featureTable,
  PLUGIN_PREFIX,
  type PluginFeature,
} from '../tls/features.ts';
import { REDACTED } from '../triage/redaction.ts';
import { UNIX_PREFIX } from '../upstream/server-names.ts';
import type { OriginOptions } from './options.ts';
import { nearestWord } from './suggestion.ts';

/** A value as written, and where. */
export interface ExplicitValue {
  readonly text: string;
  /** `--http`, or `sluice.yaml:3:7: http`. */
  readonly place: string;
  /** What relative file names are relative to: the current directory, or the file's. */
  readonly directory: string;
  /** Of a value in a file. */
  readonly position?: Pick<FileDiagnostic, 'file' | 'line' | 'column' | 'key'>;
}

/** A warning about a value, with its place. */
export function warnOf({ place, position }: ExplicitValue, problem: string, warn: Warn): void {
  warn(`${place}: ${problem}`, position === undefined ? undefined : { ...position, problem });
}

/** How to write a value rightly. */
export interface OptionWords {
  readonly name: string;
  /** What stands for the value. */
  readonly placeholder: string;
  readonly example: string;
}

const LOOPBACK = '127.0.0.1';

/** Throws what is wrong with a value, in the one shape that all option errors have. */
export function refuse(given: ExplicitValue, problem: string, remedy: string): never {
  const what = `${JSON.stringify(given.text)}: ${problem}`;
  const { position } = given;
  const diagnostics = position === undefined ? [] : [{ ...position, problem: what, remedy }];
  throw new UsageError(`${given.place} ${what}`, remedy, diagnostics);
}

export function writeAs(option: OptionWords, given: ExplicitValue): string {
  return given.place.startsWith('--')
    ? `write --${option.name} ${option.placeholder}, as in --${option.name} ${option.example}`
    : `write ${option.name}: ${option.placeholder}, as in ${option.name}: ${option.example}`;
}

export function parseSocketAddress(option: OptionWords, given: ExplicitValue): SocketAddress {
  const { text } = given;
  if (text.startsWith(UNIX_PREFIX)) {
    return { path: socketPath(option, given, text.slice(UNIX_PREFIX.length)) };
  }
  const match = /^(?:\[([^\]]*)\]:|([^:]*):)?(\d{1,5})$/.exec(text);
  if (match === null) refuse(given, 'not an address', writeAs(option, given));
  const port = Number(match[3]);
  if (port > 65_535) refuse(given, 'a port is at most 65535', writeAs(option, given));
  return { host: listeningHost(option, given, match[1], match[2]), port };
}

/** The address of a UNIX socket has room for 107 bytes (unix(7)). */
function socketPath(option: OptionWords, given: ExplicitValue, path: string): string {
  if (path === '' || Buffer.byteLength(path) > 107 || path.includes('\0')) {
    refuse(given, 'a socket path has 1 to 107 bytes', writeAs(option, given));
  }
  return path;
}

function listeningHost(
  option: OptionWords,
  given: ExplicitValue,
  bracketed: string | undefined,
  plain: string | undefined,
): string {
  if (bracketed !== undefined) {
    if (!isIPv6(bracketed)) refuse(given, 'not an IPv6 address', writeAs(option, given));
    return bracketed;
  }
  if (plain === undefined || plain === 'localhost') return LOOPBACK;
  if (isIPv4(plain)) return plain;
  if (plain === '' || plain === '*') {
    refuse(given, 'no host', 'write 0.0.0.0 or [::] for all addresses');
  }
  refuse(given, 'not an IP address', 'write the IP address to listen on, or localhost');
}

/** True for addresses that only this machine reaches. */
export function isLoopback(address: SocketAddress): boolean {
  return 'path' in address || address.host === '::1' || address.host.startsWith('127.');
}

export function parseOrigin(option: OptionWords, given: ExplicitValue): OriginOptions {
  if (given.text.startsWith(UNIX_PREFIX)) return unixOrigin(option, given);
  // As nginx writes it, and as a path alone.
  const socket = /^(?:https?:\/\/unix:)?(\/[^:\s]+?)\/?(?::.*)?$/i.exec(given.text)?.[1];
  if (socket !== undefined) refuse(given, 'no URL', `write ${UNIX_PREFIX}${socket}`);
  const isH2c = /^h2c:\/\//i.test(given.text);
  const url = URL.parse(isH2c ? given.text.replace(/^h2c/i, 'http') : given.text);
  if (url === null || !(isH2c || /^https?:\/\//i.test(given.text))) {
    const isBare = /^(?:[\w.-]+|\[[\da-f:]+\]):\d{1,5}(?:\/\S*)?$/i.test(given.text);
    const remedy = isBare
      ? `write ${given.place.startsWith('--') ? `--${option.name} ` : ''}http://${given.text}`
      : writeAs(option, given);
    refuse(given, 'not an http, https or h2c URL', remedy);
  }
  if (!/^(?:[\w.-]+|\[[\da-f:.]+\])$/i.test(url.hostname)) {
    const remedy = 'write the name itself: variables of the environment are not expanded';
    refuse(given, `${url.hostname} is no name of a host`, remedy);
  }
  if (url.username !== '' || url.password !== '') {
    refuse(given, 'a user name or password is not supported', 'leave it out of the URL');
  }
  if (url.search !== '' || url.hash !== '') {
    refuse(given, 'a query or fragment makes no sense here', 'leave it out of the URL');
  }
  const scheme = url.protocol === 'https:' ? 'https' : 'http';
  return {
    scheme,
    http2: isH2c ? 'prior-knowledge' : scheme === 'https' ? 'alpn' : 'never',
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (scheme === 'https' ? 443 : 80) : Number(url.port),
    pathPrefix: url.pathname.replace(/(?<!\/)\/+$/, ''),
    verify: true,
    caFile: '',
  };
}

/** HTTP/1.1 over a UNIX socket. */
function unixOrigin(option: OptionWords, given: ExplicitValue): OriginOptions {
  const written = given.text.slice(UNIX_PREFIX.length);
  // Workers and the file that names it may be in other directories.
  const path = written === '' ? '' : resolve(given.directory, written);
  const host = `${UNIX_PREFIX}${socketPath(option, given, path)}`;
  const rest = { port: 0, pathPrefix: '', verify: true, caFile: '' };
  return { scheme: 'http', http2: 'never', host, ...rest };
}

const WORKERS_MAX = 256;

export function parseCount(option: OptionWords, given: ExplicitValue): number {
  const count = /^\d{1,4}$/.test(given.text) ? Number(given.text) : 0;
  if (count < 1 || count > WORKERS_MAX) {
    refuse(given, `not a number from 1 to ${WORKERS_MAX}`, writeAs(option, given));
  }
  return count;
}

const SIZE_UNITS: Record<string, number> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** Bytes. */
export function parseSize(option: OptionWords, given: ExplicitValue): number {
  const match = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(given.text);
  const unit = match === null ? undefined : SIZE_UNITS[match[2]!.toLowerCase()];
  if (match === null || unit === undefined) {
    refuse(given, 'not a size in bytes, KiB, MiB or GiB', writeAs(option, given));
  }
  const bytes = Math.round(Number(match[1]) * unit);
  if (!Number.isSafeInteger(bytes)) refuse(given, 'too large', writeAs(option, given));
  return bytes;
}

const SHORT_UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000 };
const LONG_UNITS: Record<string, number> = { ...SHORT_UNITS, h: 3_600_000, d: 86_400_000 };
const HOUR_MS = 3_600_000;
/** Ten years of 365 days: whatever is kept longer is kept for good. */
const LONG_DURATION_MS_MAX = 3_650 * 86_400_000;

/** Milliseconds, at most an hour. */
export function parseDuration(option: OptionWords, given: ExplicitValue): number {
  const duration = milliseconds(given.text, SHORT_UNITS);
  if (duration === null) refuse(given, 'not a time in ms, s or m', writeAs(option, given));
  if (duration > HOUR_MS) refuse(given, 'more than an hour', writeAs(option, given));
  return duration;
}

/** Milliseconds, at most ten years. */
export function parseLongDuration(option: OptionWords, given: ExplicitValue): number {
  const duration = milliseconds(given.text, LONG_UNITS);
  if (duration === null) refuse(given, 'not a time in ms, s, m, h or d', writeAs(option, given));
  if (duration > LONG_DURATION_MS_MAX) {
    refuse(given, 'more than ten years', writeAs(option, given));
  }
  return duration;
}

function milliseconds(text: string, units: Record<string, number>): number | null {
  const match = /^(\d+(?:\.\d+)?) ?([a-z]+)$/i.exec(text);
  const unit = match === null ? undefined : units[match[2]!.toLowerCase()];
  return match === null || unit === undefined ? null : Math.round(Number(match[1]) * unit);
}

/** A share of one, of `20%`. */
export function parseShare(option: OptionWords, given: ExplicitValue): number {
  const match = /^(\d+(?:\.\d+)?) ?%$/.exec(given.text);
  const share = match === null ? Number.NaN : Number(match[1]) / 100;
  if (!(share <= 1)) refuse(given, 'not a share from 0% to 100%', writeAs(option, given));
  return share;
}

export function parseSwitch(option: OptionWords, given: ExplicitValue): boolean {
  switch (given.text) {
    case 'on':
    case 'true':
      return true;
    case 'off':
    case 'false':
      return false;
    default:
      refuse(given, 'neither on nor off', writeAs(option, given));
  }
}

/** `NAME=on` or `NAME=off`. */
export function parseFeature(
  option: OptionWords,
  given: ExplicitValue,
): readonly [FeatureName | DangerName | PluginFeature, boolean] {
  const equals = given.text.indexOf('=');
  const name = given.text.slice(0, equals === -1 ? undefined : equals);
  const feature = featureNamed(name);
  // Of these only a worker knows which there are: its modules and plugins bring them.
  const isBrought = name.startsWith(DANGER_PREFIX) || name.startsWith(PLUGIN_PREFIX);
  if (feature === undefined && !isBrought) {
    const names = featureTable.map((known) => known.name);
    const near = nearestWord(name, names);
    const remedy =
      near === undefined ? `write one of ${names.join(', ')}` : `did you mean ${near}?`;
    refuse(given, 'no such feature', remedy);
  }
  if (equals === -1) refuse(given, 'neither on nor off', writeAs(option, given));
  const text = given.text.slice(equals + 1);
  return [feature?.name ?? (name as DangerName), parseSwitch(option, { ...given, text })];
}

/** One range of `--purge-from`; `localhost` is several. */
export function parseAddressRanges(option: OptionWords, given: ExplicitValue): AddressRange[] {
  if (given.text === 'localhost') {
    return [
      { address: '127.0.0.0', bits: 8 },
      { address: '::1', bits: 128 },
    ];
  }
  const match = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(given.text);
  const address = match?.[1] ?? '';
  const bitsMax = isIPv4(address) ? 32 : isIPv6(address) ? 128 : -1;
  const bits = match?.[2] === undefined ? bitsMax : Number(match[2]);
  if (bitsMax === -1 || bits > bitsMax) {
    refuse(given, 'not an IP address or a range of them', writeAs(option, given));
  }
  return [{ address, bits }];
}

export function parseClientField(option: OptionWords, given: ExplicitValue): ClientField {
  const name = given.text.toLowerCase();
  if (name === 'x-forwarded-for' || name === 'forwarded') return name;
  refuse(given, 'neither x-forwarded-for nor forwarded', writeAs(option, given));
}

export function parseLogFormat(option: OptionWords, given: ExplicitValue): 'combined' | 'json' {
  if (given.text === 'combined' || given.text === 'json') return given.text;
  refuse(given, 'neither combined nor json', writeAs(option, given));
}

export function parseLogScope(option: OptionWords, given: ExplicitValue): 'failed' | 'all' {
  if (given.text === 'failed' || given.text === 'all') return given.text;
  refuse(given, 'neither failed nor all', writeAs(option, given));
}

export function parseErrorLogFormat(option: OptionWords, given: ExplicitValue): ErrorLogFormat {
  if (given.text === 'text' || given.text === 'json') return given.text;
  refuse(given, 'neither text nor json', writeAs(option, given));
}

/** `LEVEL` of all subsystems, which is null then, or `SUBSYSTEM=LEVEL`. */
export function parseLogLevel(
  _option: OptionWords,
  given: ExplicitValue,
): readonly [LogSubsystem | null, LogLevel] {
  const [last, name] = given.text.split('=', 2).reverse();
  const level = logLevels.find((known) => known === last);
  if (level === undefined) {
    const near = nearestWord(last!, logLevels);
    const remedy = near === undefined ? `write one of ${logLevels.join(', ')}` : `write ${near}`;
    refuse(given, 'no such level', remedy);
  }
  if (name === undefined) return [null, level];
  const subsystem = logSubsystems.find((known) => known === name);
  if (subsystem !== undefined) return [subsystem, level];
  const near = nearestWord(name, logSubsystems);
  const remedy =
    near === undefined ? `write one of ${logSubsystems.join(', ')}` : `write ${near}=${level}`;
  refuse(given, 'no such subsystem', remedy);
}

/** The absolute name of a file or directory. */
export function parsePath(option: OptionWords, given: ExplicitValue): string {
  if (given.text === '' || given.text.includes('\0')) {
    refuse(given, 'not a file name', writeAs(option, given));
  }
  return resolve(given.directory, given.text);
}

/** What was written may hold a password: it is not shown. */
function hidden(given: ExplicitValue): ExplicitValue {
  return { ...given, text: REDACTED };
}

/** An http or https URL. */
export function parseUrl(option: OptionWords, given: ExplicitValue): string {
  const url = URL.parse(given.text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    refuse(hidden(given), 'not an http or https URL', writeAs(option, given));
  }
  return url.href;
}

/** A URL of a Redis, with the number of the database as its path. */
export function parseRedis(option: OptionWords, given: ExplicitValue): string {
  const url = URL.parse(given.text);
  if (url === null || !/^rediss?:$/.test(url.protocol) || url.hostname === '') {
    refuse(hidden(given), 'not a redis or rediss URL', writeAs(option, given));
  }
  if (!/^(\/\d*)?$/.test(url.pathname) || url.search !== '' || url.hash !== '') {
    refuse(
      hidden(given),
      'only the number of a database may follow the host',
      writeAs(option, given),
    );
  }
  return given.text;
}

/** As an authority writes to it: an address and nothing else. */
export function parseEmail(option: OptionWords, given: ExplicitValue): string {
  if (/^[^\s@,;?&]+@[^\s@,;?&]+$/.test(given.text)) return given.text;
  refuse(given, 'not an e-mail address', writeAs(option, given));
}

/** In normal form; `*.` before it is a wildcard. A name that everybody knows has a dot. */
export function parseHostName(option: OptionWords, given: ExplicitValue): string {
  const name = normalHostPattern(given.text);
  if (name?.includes('.') !== true) refuse(given, 'no host name', writeAs(option, given));
  return name;
}

/** `-` or an absolute file name. */
export function parseLogFile(option: OptionWords, given: ExplicitValue): string {
  return given.text === '-' ? given.text : parsePath(option, given);
}
