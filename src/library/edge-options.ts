/** What `edge` is given, and the words and the file that sluice gets for it. */

import type { HandlerKind } from './app-server.ts';

/** A port of 127.0.0.1, `HOST:PORT`, or `unix:PATH`. Port 0 is any free one. */
export type ListenAddress = number | string;

/** All may be left out. What is not here is a flag, or a key of a configuration file. */
export interface EdgeOptions {
  /** Where to listen without TLS. As on the command line: off when only `https` is given. */
  readonly http?: ListenAddress | readonly ListenAddress[];
  /** Where to listen with TLS, with HTTP/2. As on the command line: off when only `http` is given. */
  readonly https?: ListenAddress | readonly ListenAddress[];
  /** Where the admin endpoint and its page are; a private UNIX socket unless it is given. */
  readonly admin?: ListenAddress;
  /** Further flags of the command line, by name: `{'cache-size': '1GiB', 'early-data': false}`. */
  readonly flags?: Readonly<Record<string, FlagValue | readonly FlagValue[]>>;
  /** What a configuration file would hold. The app is the origin, and the group `app` of `origins`. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** How a function is called, where its number of arguments says the wrong thing. */
  readonly kind?: HandlerKind;
  /**
   * Whether SIGTERM and SIGINT close everything in order and then end the process. By default they do
   * unless the app listens to them itself.
   */
  readonly signals?: boolean;
  /** What becomes of sluice's lines for the operator: to standard error, or nowhere. */
  readonly log?: 'inherit' | 'ignore';
}

/** Booleans are `on` and `off`; sizes and times are written as on the command line. */
export type FlagValue = string | number | boolean;

/** The name of the group that the app is. */
const APP_GROUP = 'app';

/** The words of the command line. */
export function wordsFor(
  options: EdgeOptions,
  places: { readonly origin: string; readonly admin: string; readonly configFile: string | null },
): string[] {
  const { http, https, admin = `unix:${places.admin}`, flags = {}, config } = options;
  const all: [string, unknown][] = [
    ['http', http],
    ['https', https],
    ['admin', admin],
    ...Object.entries(flags),
  ];
  // A file has the app among its origins: by a flag, nothing of its routes would be left.
  if (config === undefined) all.push(['origin', places.origin]);
  if (places.configFile !== null) all.push(['config', places.configFile]);
  const words = all.flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value])
      .filter((one) => one !== undefined)
      .flatMap((one) => [`--${name}`, flagText(one)]),
  );
  return ['run', ...words];
}

function flagText(value: FlagValue): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return String(value);
}

/** The file: JSON is YAML. Null when none is needed. */
export function configText(config: EdgeOptions['config'], origin: string): string | null {
  if (config === undefined) return null;
  const { origins = {} } = config as { origins?: Record<string, object> };
  const { [APP_GROUP]: own = {}, ...others } = origins;
  const app = { ...own, servers: [origin] };
  return JSON.stringify({ ...config, origins: { [APP_GROUP]: app, ...others } });
}
