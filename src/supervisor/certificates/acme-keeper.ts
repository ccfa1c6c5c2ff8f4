/**
 * Sees to it that every host with `certificates: acme` has its certificate: orders it, applies it,
 * keeps it, and tries again later when that fails. What is in use serves meanwhile.
 */
import { X509Certificate } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Authorities, authorityName } from '../../acme/authority.ts';
import { AcmeError, type AskAuthority } from '../../acme/contract.ts';
import type { AcmeOptions } from '../../acme/options.ts';
import type { OrderHelp } from '../../acme/order.ts';
import { type Finding, type LookUp, precheck } from '../../acme/precheck.ts';
import { renewalId, renewalInfo } from '../../acme/renewal-info.ts';
import { retryAtMs } from '../../acme/schedule.ts';
import { AcmeStore, freshState, type OrderState } from '../../acme/store.ts';
import { durationText } from '../../base/duration-text.ts';
import { type OnFault, owned, repeated } from '../../base/owned.ts';
import type { HostOptions } from '../../config/options.ts';
import type { CertificateMetrics } from '../../telemetry/certificate-metrics.ts';
import type { Report } from '../../telemetry/log-event.ts';
import type { CertificatePair } from '../../tls/host-options.ts';
import type { AcmeCluster, AcmeClusterInput, SharedCertificate } from './acme-cluster.ts';
import {
  type CertificateEntry,
  type CertificateState,
  datesOf,
  dueAtMs,
  idle,
  type KnownCertificate,
  renewalMsOf,
  sentenceOf,
  stateOf,
  unwanted,
  type WantedCertificate,
  wantedOf,
} from './acme-entry.ts';
import { changeRecords, removeRecords } from './dns-command.ts';
import { ShownChallenges, type ShownChallengesInput } from './shown-challenges.ts';

/** Milliseconds between two looks at what is due. */
const LOOK_MS = 1_000;
/** Whatever its dates say, a certificate is not ordered again before so long: milliseconds. */
const ORDER_GAP_MS = 60_000;
/** Orders under way at once: authorities allow some hundred in hours, and a start may need many. */
export const ACME_ORDERS_AT_ONCE_MAX = 4;

/** Milliseconds until a cluster is asked again whether an order is ours. */
const CLAIM_AGAIN_MS = 2_000;

export interface AcmeKeeperInput extends ShownChallengesInput {
  /** Those that are active. */
  hosts(): readonly HostOptions[];
  options(): AcmeOptions | null;
  /** Applies other certificates of a host, for new connections everywhere. */
  replace(host: number, certificates: readonly CertificatePair[]): void;
  /** How names are looked up beforehand. */
  lookUpBy(servers: readonly string[]): LookUp;
  ownAddresses(): readonly string[];
  /** How authorities are asked. */
  askBy(options: AcmeOptions): AskAuthority;
  /** What is shared with other instances; null for an instance that is alone. */
  clusterBy(options: AcmeOptions, events: ClusterEvents): AcmeCluster | null;
  readonly metrics: Pick<CertificateMetrics, 'ordered'>;
  readonly report: Report;
  readonly onFault: OnFault;
}

export type ClusterEvents = Pick<AcmeClusterInput, 'onCertificate' | 'onChallenges' | 'onIds'>;

/** What options make: it lasts as long as they are the same. */
interface Setting {
  /** The last that said so. */
  options: AcmeOptions;
  readonly store: AcmeStore;
  readonly authorities: Authorities;
  readonly cluster: AcmeCluster | null;
  readonly entries: Map<string, CertificateEntry>;
  /** Those of the hosts beside it: other hosts are another array. */
  known: readonly KnownCertificate[];
  hosts: readonly HostOptions[];
}

export class AcmeKeeper implements Disposable {
  readonly #input: AcmeKeeperInput;
  readonly #shown: ShownChallenges;
  #setting: Setting | null = null;
  #rounds: Disposable | null = null;
  #isClosed = false;

  constructor(input: AcmeKeeperInput) {
    this.#input = input;
    this.#shown = new ShownChallenges(input);
  }

  start(): void {
    this.look();
    this.#rounds = repeated(LOOK_MS, () => this.look(), this.#input.onFault);
  }

  /** Begins what is due. */
  look(): void {
    const setting = this.#settingNow();
    if (setting === null || this.#isClosed) return;
    const nowMs = this.#input.wallMs();
    const due: (KnownCertificate & { atMs: number })[] = [];
    let underWay = 0;
    const busy = new Set<string>();
    for (const { wanted, entry } of this.#known(setting)) {
      if (entry.isUnderWay) {
        underWay++;
        for (const name of wanted.names) busy.add(name);
      } else this.#install(wanted, entry);
      this.#askAbout(setting, wanted, entry);
      if (entry.isUntold && setting.cluster?.isUp === true) {
        entry.isUntold = false;
        owned(this.#publish(setting, wanted.id, entry), this.#input.onFault);
      }
      const atMs = dueAtMs(entry);
      if (!entry.isUnderWay && atMs <= nowMs) due.push({ wanted, entry, atMs });
    }
    // Who has none comes first, then who has waited longest.
    due.sort((a, b) => a.atMs - b.atMs);
    for (const { wanted, entry } of due) {
      // In a handshake a name can show one thing only; and the second order finds it proved.
      if (underWay >= ACME_ORDERS_AT_ONCE_MAX) break;
      if (entry.claimAgainMs > nowMs || wanted.names.some((name) => busy.has(name))) continue;
      for (const name of wanted.names) busy.add(name);
      underWay++;
      entry.isUnderWay = true;
      const order = setting.cluster === null ? this.#order : this.#orderOnce;
      owned(order.call(this, setting, wanted, entry), this.#input.onFault);
    }
  }

  /** All that are wanted, as they are. */
  get states(): CertificateState[] {
    const setting = this.#settingNow();
    return setting === null ? [] : this.#known(setting).map(stateOf);
  }

  /** Orders the certificates of a name anew; how many. What serves goes on until then. */
  renew(name: string): number {
    const setting = this.#settingNow();
    const found = setting === null ? [] : this.#named(setting, name);
    for (const { wanted, entry } of found) {
      this.#keepState(setting!.store, wanted.id, entry, unwanted(entry.state));
    }
    this.look();
    return found.length;
  }

  /** Has them revoked by their authorities, and replaced. Rejects with what an authority says. */
  async revoke(name: string): Promise<number> {
    const setting = this.#settingNow();
    const found = setting === null ? [] : this.#named(setting, name);
    let revoked = 0;
    for (const { entry } of found) {
      const { issued, state } = entry;
      if (issued === null || state.directory === '') continue;
      const { raw } = new X509Certificate(issued.certificatePem);
      await setting!.authorities.clientOf(state.directory).revoke(raw);
      revoked++;
    }
    if (revoked > 0) this.renew(name);
    return revoked;
  }

  /** Why a name has the certificate that it has, or none: in sentences. */
  async why(name: string): Promise<string[]> {
    const setting = this.#settingNow();
    const found = setting === null ? [] : this.#named(setting, name);
    if (setting === null || found.length === 0) {
      return [`no host with certificates: acme has the name ${name}`];
    }
    const { authorities, options } = setting;
    const findings = await this.#findings(authorities, options, [name]);
    return [...found.map((one) => sentenceOf(stateOf(one))), ...findings.map(({ words }) => words)];
  }

  /** Revoked by its issuer, whoever wanted that: another takes its place. */
  replaceRevoked(certificatePem: string): void {
    const setting = this.#settingNow();
    if (setting === null) return;
    for (const { wanted, entry } of this.#known(setting)) {
      if (entry.issued?.certificatePem !== certificatePem || entry.state.isUnwanted) continue;
      this.#keepState(setting.store, wanted.id, entry, unwanted(entry.state));
    }
    this.look();
  }

  #named(setting: Setting, name: string): KnownCertificate[] {
    return this.#known(setting).filter(({ wanted }) => wanted.names.includes(name));
  }

  /** Which hosts have nothing but a stand-in, at the start. */
  tellStandIns(): void {
    const setting = this.#settingNow();
    if (setting === null) return;
    for (const { wanted, entry } of this.#known(setting)) {
      if (entry.issued !== null) continue;
      const names = wanted.names.join(', ');
      this.#input.report(`${names}: a self-signed certificate is served until one is issued`, {
        level: 'warning',
        event: 'certificate-stand-in',
        fields: { names },
      });
    }
  }

  #settingNow(): Setting | null {
    const options = this.#input.options();
    if (options === null) return null;
    const present = this.#setting;
    if (present?.options === options) return present;
    if (present !== null && JSON.stringify(present.options) === JSON.stringify(options)) {
      present.options = options;
      return present;
    }
    const store = new AcmeStore(options.storage);
    const { askBy, wallMs } = this.#input;
    const authorities = new Authorities({ options, store, ask: askBy(options), wallMs });
    const nothing = { entries: new Map(), known: [], hosts: [] };
    present?.cluster?.[Symbol.dispose]();
    const cluster = this.#isClosed ? null : this.#clusterOf(options);
    this.#setting = { options, store, authorities, cluster, ...nothing };
    return this.#setting;
  }

  #clusterOf(options: AcmeOptions): AcmeCluster | null {
    return this.#input.clusterBy(options, {
      onCertificate: (id, certificate) => this.#adopt(id, certificate),
      onChallenges: (challenges) => this.#shown.replaceOthers(challenges),
      onIds: (ids) => this.#publishAllBut(ids),
    });
  }

  /** What another instance was issued, unless what is here is younger. */
  #adopt(id: string, shared: SharedCertificate): void {
    const { directory, issuedMs, keyPem, certificatePem } = shared;
    const setting = this.#settingNow();
    const found =
      setting === null ? [] : this.#known(setting).filter((one) => one.wanted.id === id);
    const issued = { keyPem, certificatePem };
    for (const { entry } of found.slice(0, 1)) {
      if (entry.issued !== null && entry.state.issuedMs >= issuedMs) continue;
      entry.issued = issued;
      entry.dates = datesOf(issued);
      this.#keep(id, () => setting!.store.keepCertificate(id, issued));
      const nextAttemptMs = this.#input.wallMs() + ORDER_GAP_MS;
      const state = { ...freshState, directory, issuedMs, nextAttemptMs };
      this.#keepState(setting!.store, id, entry, state);
    }
    this.look();
  }

  #publishAllBut(ids: ReadonlySet<string>): void {
    const setting = this.#settingNow();
    if (setting === null) return;
    for (const { wanted, entry } of this.#known(setting)) {
      if (!ids.has(wanted.id)) owned(this.#publish(setting, wanted.id, entry), this.#input.onFault);
    }
  }

  /** What could not be told is told with the next look. */
  async #publish({ cluster }: Setting, id: string, entry: CertificateEntry): Promise<void> {
    const { issued, state } = entry;
    if (cluster === null || issued === null) return;
    const { directory, issuedMs } = state;
    const isTold = await cluster.publish(id, { ...issued, directory, issuedMs });
    // The order is remembered until then: another instance would end it.
    if (isTold) await cluster.forgetOrder(id);
    entry.isUntold = !isTold;
  }

  /** In a cluster one instance orders, and the others get what it was issued. */
  async #orderOnce(
    setting: Setting,
    wanted: WantedCertificate,
    entry: CertificateEntry,
  ): Promise<void> {
    const cluster = setting.cluster!;
    const { id } = wanted;
    const claim = await cluster.claim(id);
    // Whoever had the right before may have used it.
    const isKnown = claim === 'ours' && (await cluster.look());
    const nowMs = this.#input.wallMs();
    if (!isKnown || dueAtMs(entry) > nowMs) {
      entry.claimAgainMs = nowMs + CLAIM_AGAIN_MS;
      entry.isUnderWay = false;
      if (claim === 'ours') await cluster.release(id, 0);
      return;
    }
    try {
      await this.#order(setting, wanted, entry);
    } finally {
      // What has failed, everyone waits for as long as this one does.
      const restMs = entry.state.failures === 0 ? 0 : entry.state.nextAttemptMs - nowMs;
      await cluster.release(id, restMs);
    }
  }

  /** Every certificate that is wanted, with what is known of it. */
  #known(setting: Setting): readonly KnownCertificate[] {
    const hosts = this.#input.hosts();
    if (setting.hosts !== hosts) {
      setting.known = wantedOf(hosts, setting.options).map((wanted) => {
        return { wanted, entry: this.#entryOf(setting, wanted) };
      });
      setting.hosts = hosts;
    }
    return setting.known;
  }

  #entryOf({ entries, store }: Setting, { id }: WantedCertificate): CertificateEntry {
    let entry = entries.get(id);
    if (entry === undefined) {
      const issued = store.certificate(id);
      const [dates, state] = [datesOf(issued), store.state(id)];
      entry = { issued, dates, state, renewalMs: renewalMsOf(id, dates, state), ...idle };
      entries.set(id, entry);
    }
    return entry;
  }

  /** When the authority wants it to be renewed: asked now and again, since that may change. */
  #askAbout(
    { authorities, options, store }: Setting,
    { id }: WantedCertificate,
    entry: CertificateEntry,
  ): void {
    const { issued, state, isAskedAbout, isUnderWay } = entry;
    const nowMs = this.#input.wallMs();
    const isTime = nowMs >= state.windowAskedAgainMs && !isAskedAbout && !isUnderWay;
    if (issued === null || !isTime || !options.directories.includes(state.directory)) return;
    entry.isAskedAbout = true;
    const ask = async () => {
      const client = authorities.clientOf(state.directory);
      const { window, askedAgainMs } = await renewalInfo(client, issued.certificatePem, nowMs);
      entry.isAskedAbout = false;
      // Another has taken its place meanwhile.
      if (entry.issued !== issued) return;
      this.#keepState(store, id, entry, {
        ...entry.state,
        window,
        windowAskedAgainMs: askedAgainMs,
      });
    };
    owned(ask(), this.#input.onFault);
  }

  /** Into force, if it is not: a reload may have read another, and a name may be new. */
  #install({ host, index }: WantedCertificate, { issued }: CertificateEntry): void {
    if (issued === null) return;
    const { certificates } = this.#input.hosts()[host]!.tls;
    if (certificates[index]?.certificatePem === issued.certificatePem) return;
    this.#input.replace(host, certificates.with(index, issued));
  }

  async #order(
    setting: Setting,
    wanted: WantedCertificate,
    entry: CertificateEntry,
  ): Promise<void> {
    const { authorities, options, store, cluster } = setting;
    const { metrics, report } = this.#input;
    const { names, keyType, id } = wanted;
    const label = names.join(', ');
    try {
      const { challenges, profile } = options;
      const { issued: before } = entry;
      const replaces = before === null ? null : renewalId(before.certificatePem);
      await this.#precheck(setting, wanted);
      await shareAccounts(setting);
      const request = { names, keyType, challenges, profile, replaces };
      const { directory, ...issued } = await authorities.order(
        request,
        entry.state.directory,
        this.#help(setting),
        (one) => cluster?.memoryOf(id, one) ?? null,
      );
      entry.issued = issued;
      entry.dates = datesOf(issued);
      this.#keep(label, () => store.keepCertificate(id, issued));
      const issuedMs = this.#input.wallMs();
      const nextAttemptMs = issuedMs + ORDER_GAP_MS;
      this.#keepState(store, id, entry, { ...freshState, directory, issuedMs, nextAttemptMs });
      await this.#publish(setting, id, entry);
      metrics.ordered('issued');
      const until = new Date(entry.dates!.notAfterMs).toISOString();
      const by = authorityName(directory);
      report(`${label}: a certificate was issued by ${by}, valid until ${until}`, {
        event: 'certificate-issued',
        fields: { names: label, by, until },
      });
    } catch (error) {
      this.#failed(setting, wanted, entry, error as Error);
    } finally {
      entry.isUnderWay = false;
    }
    // A reload may have taken the host away, or moved it.
    this.look();
  }

  /** Rejects with what would make any authority refuse. */
  async #precheck({ authorities, options }: Setting, { names }: WantedCertificate): Promise<void> {
    const findings = await this.#findings(authorities, options, names);
    const stop = findings.find(({ isHint }) => !isHint);
    if (stop !== undefined) throw new AcmeError('caa', stop.words);
    for (const { words } of findings) {
      const detail = { level: 'warning', event: 'certificate-doubtful' } as const;
      this.#input.report(`an authority may not get here: ${words}`, detail);
    }
  }

  async #findings(
    authorities: Authorities,
    { challenges, resolvers }: AcmeOptions,
    names: readonly string[],
  ): Promise<Finding[]> {
    const identities = await authorities.identities();
    const { lookUpBy, ownAddresses } = this.#input;
    const lookUp = lookUpBy(resolvers);
    return precheck({ names, challenges, identities, own: ownAddresses(), lookUp });
  }

  #failed(
    { store }: Setting,
    { names, id }: WantedCertificate,
    entry: CertificateEntry,
    error: Error,
  ): void {
    const nowMs = this.#input.wallMs();
    const failures = entry.state.failures + 1;
    const askedMs = error instanceof AcmeError ? error.retryAtMs : 0;
    const nextAttemptMs = retryAtMs(id, failures, nowMs, askedMs);
    const trouble = error.message;
    this.#keepState(store, id, entry, { ...entry.state, failures, nextAttemptMs, trouble });
    this.#input.metrics.ordered('failed');
    const label = names.join(', ');
    const next = durationText(nextAttemptMs - nowMs);
    const meanwhile = entry.issued === null ? 'a self-signed one serves' : 'the old one serves';
    this.#input.report(
      `${label}: no certificate was issued: ${trouble}; ${meanwhile}, next attempt in ${next}`,
      { level: 'warning', event: 'certificate-not-issued', fields: { names: label, failures } },
    );
  }

  /** What cannot be kept is known until the end of this process. */
  #keepState(store: AcmeStore, id: string, entry: CertificateEntry, state: OrderState): void {
    entry.state = state;
    entry.renewalMs = renewalMsOf(id, entry.dates, state);
    this.#keep(id, () => store.keepState(id, state));
  }

  #keep(label: string, write: () => void): void {
    try {
      write();
    } catch (error) {
      const why = (error as Error).message;
      this.#input.report(`${label}: what an authority has issued cannot be kept: ${why}`, {
        level: 'error',
        event: 'certificate-not-kept',
      });
    }
  }

  #help({ options: { dnsCommand }, cluster }: Setting): OrderHelp {
    return {
      show: async (challenges) => {
        await this.#shown.add(challenges);
        await cluster?.show(challenges);
        await changeRecords(dnsCommand, 'add', challenges);
      },
      hide: async (challenges) => {
        await this.#shown.remove(challenges);
        await cluster?.hide(challenges);
        await removeRecords(dnsCommand, challenges, this.#input.report);
      },
      sleep: async (ms) => {
        await sleep(ms, undefined, { ref: false });
      },
      wallMs: this.#input.wallMs,
    };
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#rounds?.[Symbol.dispose]();
    this.#setting?.cluster?.[Symbol.dispose]();
  }
}

/** All instances order by the same accounts: so one goes on with what another has begun. */
async function shareAccounts({ cluster, authorities, options }: Setting): Promise<void> {
  if (cluster === null) return;
  for (const directory of options.directories) {
    const ours = authorities.accountKey(directory);
    authorities.useAccountKey(directory, await cluster.accountKey(directory, ours));
  }
}
