/**
 * Everything that watches or alters handshakes, by name, so that each can be switched off on its
 * own: by an operator, or by what looks for the cause of a crash.
 */

export interface FeatureDefinition {
  /** In lower case with hyphens: a key of the configuration. */
  readonly name: string;
  /** `observer`: gets the record of an ended handshake. `handshake`: takes part in it. */
  readonly kind: 'observer' | 'handshake';
  /** One sentence: what it does, and so what is missing without it. */
  readonly summary: string;
  readonly isOnByDefault: boolean;
  /** Whether somebody may do more while it is off: then it is never switched off but by an operator. */
  readonly offAllowsMore: boolean;
}

const definitions = [
  {
    name: 'handshake-metrics',
    kind: 'observer',
    summary: 'Counts ended handshakes and their facts in the metrics.',
    isOnByDefault: true,
    offAllowsMore: false,
  },
  {
    name: 'ja4',
    kind: 'observer',
    summary: 'Computes the JA4 fingerprint of clients for the handshake log and for failures.',
    isOnByDefault: true,
    offAllowsMore: false,
  },
  {
    name: 'handshake-failures',
    kind: 'observer',
    summary: 'Counts failed handshakes by kind and client, for `sluice handshakes failures`.',
    isOnByDefault: true,
    offAllowsMore: false,
  },
  {
    name: 'handshake-log',
    kind: 'observer',
    summary: 'Writes the handshake log, if one is configured.',
    isOnByDefault: true,
    offAllowsMore: false,
  },
  {
    name: 'failure-incidents',
    kind: 'observer',
    summary: 'Writes an incident when a handshake fails in a way not seen before.',
    isOnByDefault: true,
    offAllowsMore: false,
  },
  {
    name: 'early-data',
    kind: 'handshake',
    summary: 'Accepts early data where the options allow it; off: it is skipped.',
    isOnByDefault: true,
    offAllowsMore: false,
  },
  {
    name: 'session-tickets',
    kind: 'handshake',
    summary:
      'Issues session tickets and resumes sessions with them; off: every handshake is a full one.',
    isOnByDefault: true,
    offAllowsMore: false,
  },
  {
    name: 'alpn-h2',
    kind: 'handshake',
    summary: 'Agrees on HTTP/2 with clients that offer it (ALPN); off: they get HTTP/1.1.',
    isOnByDefault: true,
    offAllowsMore: false,
  },
  {
    name: 'certificate-compression',
    kind: 'handshake',
    summary: 'Sends certificates compressed (RFC 8879) to clients that support it.',
    isOnByDefault: true,
    offAllowsMore: false,
  },
  {
    name: 'ocsp-stapling',
    kind: 'handshake',
    summary: 'Sends the revocation status with certificates, to clients that ask for it.',
    isOnByDefault: true,
    offAllowsMore: false,
  },
  {
    name: 'key-log',
    kind: 'handshake',
    summary: 'Writes the secrets of connections to the key log, if one is configured.',
    isOnByDefault: true,
    offAllowsMore: false,
  },
] as const satisfies readonly FeatureDefinition[];

export type FeatureName = (typeof definitions)[number]['name'];

export const featureTable: readonly (FeatureDefinition & { readonly name: FeatureName })[] =
  definitions;

/** Features of modules that an operator loads to show harm or to look for it; off by default. */
export const DANGER_PREFIX = 'danger-';
export type DangerName = `${typeof DANGER_PREFIX}${string}`;

/** A plugin is a feature as well: on by default, and disabled when workers die in its hooks. */
export const PLUGIN_PREFIX = 'plugin-';
export type PluginFeature = `${typeof PLUGIN_PREFIX}${string}`;

/** What was switched; the rest is as by default. Plain data, which crosses to workers. */
export type FeatureSwitches = Readonly<
  Partial<Record<FeatureName | DangerName | PluginFeature, boolean>>
>;

export function featureNamed(name: string): (typeof featureTable)[number] | undefined {
  return featureTable.find((feature) => feature.name === name);
}

export function isOn(name: FeatureName, switches: FeatureSwitches): boolean {
  return switches[name] ?? featureNamed(name)!.isOnByDefault;
}

/**
 * Whether somebody may do more while it is off. What an operator's module observes decides nothing; without a
 * plugin its requests are refused, unless its operator has said that they pass when it fails.
 */
export function offAllowsMore(name: string): boolean {
  const isHarmless = name.startsWith(DANGER_PREFIX) || name.startsWith(PLUGIN_PREFIX);
  return featureNamed(name)?.offAllowsMore ?? !isHarmless;
}

/** Of a plugin, by its own name. */
export function isPluginOn(name: string, switches: FeatureSwitches): boolean {
  return switches[`${PLUGIN_PREFIX}${name}`] ?? true;
}

/** Every feature by name, and whether it is on. */
export function featureStates(switches: FeatureSwitches): Record<string, boolean> {
  const ours = featureTable.map(({ name }) => [name, isOn(name, switches)] as const);
  return { ...switches, ...Object.fromEntries(ours) };
}

/** Who watches handshakes, by name. */
export function observerNames(switches: FeatureSwitches): string[] {
  const ours = featureTable.filter(({ kind, name }) => kind === 'observer' && isOn(name, switches));
  const dangerous = Object.entries(switches).filter(
    ([name, on]) => on === true && name.startsWith(DANGER_PREFIX),
  );
  return [...ours.map(({ name }) => name), ...dangerous.map(([name]) => name).sort()];
}
