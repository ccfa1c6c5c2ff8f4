/**
 * Sees to it that every host with `certificates: acme` has its certificate: orders it, applies it,
 * keeps it, and tries again later when that fails. What is in use serves meanwhile.
 */
import { X509Certificate } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Authorities, authorityName } from '../../acme/authority.ts';
import { answersTo, type ChallengeAnswers } from '../../acme/challenges.ts';
import { AcmeError, type AskAuthority, type Challenge, type KeyType } from '../../acme/contract.ts';
import type { AcmeOptions } from '../../acme/options.ts';
import type { Issued, OrderHelp } from '../../acme/order.ts';
import { type Finding, type LookUp, precheck } from '../../acme/precheck.ts';
import { renewalId, renewalInfo } from '../../acme/renewal-info.ts';
import { renewalAtMs, retryAtMs } from '../../acme/schedule.ts';
import { AcmeStore, certificateId, freshState, type OrderState } from '../../acme/store.ts';
import { durationText } from '../../base/duration-text.ts';
import { type OnFault, owned, repeated } from '../../base/owned.ts';
import type { HostOptions } from '../../config/options.ts';
import type { CertificateMetrics } from '../../telemetry/certificate-metrics.ts';
import type { Report } from '../../telemetry/log-event.ts';
import type { CertificatePair } from '../../tls/host-options.ts';
import { changeRecords } from './dns-command.ts';

/** Milliseconds between two looks at what is due. */
const LOOK_MS = 1_000;
/** Whatever its dates say, a certificate is not ordered again before so long: milliseconds. */
const ORDER_GAP_MS = 60_000;
/** Orders under way at once: authorities allow some hundred in hours, and a start may need many. */
export const ACME_ORDERS_AT_ONCE_MAX = 4;

/** How one certificate is doing: for the admin endpoint. Times are RFC 3339, null for none. */
export interface CertificateState {
  readonly names: readonly string[];
  readonly keyType: KeyType;
  readonly isIssued: boolean;
  readonly authority: string | null;
  readonly validUntil: string | null;
  /** When it is ordered next. */
  readonly next: string;
  readonly isUnderWay: boolean;
  readonly failures: number;
  /** Why the last order failed; '' when it did not. */
  readonly trouble: string;
}

export interface AcmeKeeperInput {
  /** Those that are active. */
  hosts(): readonly HostOptions[];
  options(): AcmeOptions | null;
  /** Applies other certificates of a host, for new connections everywhere. */
  replace(host: number, certificates: readonly CertificatePair[]): void;
  /** Resolves when every worker answers so. */
  show(answers: ChallengeAnswers): Promise<void>;
  /** How names are looked up beforehand. */
  lookUpBy(servers: readonly string[]): LookUp;
  ownAddresses(): readonly string[];
  /** How authorities are asked. */
  askBy(options: AcmeOptions): AskAuthority;
  readonly metrics: Pick<CertificateMetrics, 'ordered'>;
  readonly wallMs: () => number;
  readonly report: Report;
  readonly onFault: OnFault;
}

/** One certificate that a host is to have. */
interface Wanted {
  readonly id: string;
  readonly names: readonly string[];
  readonly keyType: KeyType;
  readonly host: number;
  /** Among the host's certificates. */
  readonly index: number;
}

/** What is known of one. */
interface Entry {
  issued: Issued | null;
  dates: { readonly notBeforeMs: number; readonly notAfterMs: number } | null;
  state: OrderState;
  /** When the dates and the authority want another: kept, since every second asks for it. */
  renewalMs: number;
  isUnderWay: boolean;
  isAskedAbout: boolean;
}

const idle = { isUnderWay: false, isAskedAbout: false };

interface Known {
  readonly wanted: Wanted;
  readonly entry: Entry;
}

/** What options make: it lasts as long as they are the same. */
interface Setting {
  /** The last that said so. */
  options: AcmeOptions;
  readonly store: AcmeStore;
  readonly authorities: Authorities;
  readonly entries: Map<string, Entry>;
  /** Those of the hosts beside it: other hosts are another array. */
  known: readonly Known[];
  hosts: readonly HostOptions[];
}

export class AcmeKeeper implements Disposable {
  readonly #input: AcmeKeeperInput;
  /** With what answers each: a certificate has a key of its own, which is made once. */
  readonly #shown = new Map<Challenge, ChallengeAnswers>();
  #setting: Setting | null = null;
  #rounds: Disposable | null = null;
  #isClosed = false;

  constructor(input: AcmeKeeperInput) {
    this.#input = input;
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
    const due: (Known & { atMs: number })[] = [];
    let underWay = 0;
    const busy = new Set<string>();
    for (const { wanted, entry } of this.#known(setting)) {
      if (entry.isUnderWay) {
        underWay++;
        for (const name of wanted.names) busy.add(name);
      } else this.#install(wanted, entry);
      this.#askAbout(setting, wanted, entry);
      const atMs = dueAtMs(entry);
      if (!entry.isUnderWay && atMs <= nowMs) due.push({ wanted, entry, atMs });
    }
    // Who has none comes first, then who has waited longest.
    due.sort((a, b) => a.atMs - b.atMs);
    for (const { wanted, entry } of due) {
      // In a handshake a name can show one thing only; and the second order finds it proved.
      if (underWay >= ACME_ORDERS_AT_ONCE_MAX) break;
      if (wanted.names.some((name) => busy.has(name))) continue;
      for (const name of wanted.names) busy.add(name);
      underWay++;
      entry.isUnderWay = true;
      owned(this.#order(setting, wanted, entry), this.#input.onFault);
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

  #named(setting: Setting, name: string): Known[] {
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
    this.#setting = { options, store, authorities, ...nothing };
    return this.#setting;
  }

  /** Every certificate that is wanted, with what is known of it. */
  #known(setting: Setting): readonly Known[] {
    const hosts = this.#input.hosts();
    if (setting.hosts !== hosts) {
      setting.known = wantedOf(hosts, setting.options).map((wanted) => {
        return { wanted, entry: this.#entryOf(setting, wanted) };
      });
      setting.hosts = hosts;
    }
    return setting.known;
  }

  #entryOf({ entries, store }: Setting, { id }: Wanted): Entry {
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
  #askAbout({ authorities, options, store }: Setting, { id }: Wanted, entry: Entry): void {
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
  #install({ host, index }: Wanted, { issued }: Entry): void {
    if (issued === null) return;
    const { certificates } = this.#input.hosts()[host]!.tls;
    if (certificates[index]?.certificatePem === issued.certificatePem) return;
    this.#input.replace(host, certificates.with(index, issued));
  }

  async #order(setting: Setting, wanted: Wanted, entry: Entry): Promise<void> {
    const { authorities, options, store } = setting;
    const { metrics, report } = this.#input;
    const { names, keyType, id } = wanted;
    const label = names.join(', ');
    try {
      const { challenges, profile } = options;
      const { issued: before } = entry;
      const replaces = before === null ? null : renewalId(before.certificatePem);
      await this.#precheck(setting, wanted);
      const request = { names, keyType, challenges, profile, replaces };
      const { directory, ...issued } = await authorities.order(
        request,
        entry.state.directory,
        this.#help(options),
      );
      entry.issued = issued;
      entry.dates = datesOf(issued);
      this.#keep(label, () => store.keepCertificate(id, issued));
      const nextAttemptMs = this.#input.wallMs() + ORDER_GAP_MS;
      this.#keepState(store, id, entry, { ...freshState, directory, nextAttemptMs });
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
  async #precheck({ authorities, options }: Setting, { names }: Wanted): Promise<void> {
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

  #failed({ store }: Setting, { names, id }: Wanted, entry: Entry, error: Error): void {
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
  #keepState(store: AcmeStore, id: string, entry: Entry, state: OrderState): void {
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

  #help({ dnsCommand }: AcmeOptions): OrderHelp {
    return {
      show: async (challenges) => {
        const nowMs = this.#input.wallMs();
        for (const one of challenges) this.#shown.set(one, answersTo([one], nowMs));
        await this.#showAll();
        await changeRecords(dnsCommand, 'add', challenges);
      },
      hide: async (challenges) => {
        for (const challenge of challenges) this.#shown.delete(challenge);
        await this.#showAll();
        await this.#removeRecords(dnsCommand, challenges);
      },
      sleep: async (ms) => {
        await sleep(ms, undefined, { ref: false });
      },
      wallMs: this.#input.wallMs,
    };
  }

  /** What stays behind does no harm. */
  async #removeRecords(command: string | null, challenges: readonly Challenge[]): Promise<void> {
    try {
      await changeRecords(command, 'remove', challenges);
    } catch (error) {
      const detail = { level: 'warning', event: 'dns-record-left' } as const;
      this.#input.report(`a record stays in DNS: ${(error as Error).message}`, detail);
    }
  }

  #showAll(): Promise<void> {
    const all = [...this.#shown.values()];
    const [http, tls] = [all.flatMap((one) => one.http), all.flatMap((one) => one.tls)];
    return this.#input.show({ http, tls });
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#rounds?.[Symbol.dispose]();
  }
}

function datesOf(issued: Issued | null): Entry['dates'] {
  if (issued === null) return null;
  const { validFromDate, validToDate } = new X509Certificate(issued.certificatePem);
  return { notBeforeMs: validFromDate.getTime(), notAfterMs: validToDate.getTime() };
}

function wantedOf(hosts: readonly HostOptions[], { keyTypes }: AcmeOptions): Wanted[] {
  return hosts.flatMap(({ isAcme, tls: { names } }, host) => {
    if (!isAcme) return [];
    return keyTypes.map((keyType, index) => {
      return { id: certificateId(names, keyType), names, keyType, host, index };
    });
  });
}

/** Another is to take its place, as soon as can be. */
function unwanted(state: OrderState): OrderState {
  return { ...state, isUnwanted: true, nextAttemptMs: 0 };
}

/** 0 for one that is not there. */
function renewalMsOf(id: string, dates: Entry['dates'], { window }: OrderState): number {
  return dates === null ? 0 : renewalAtMs({ name: id, ...dates, window });
}

/** After a failure not before its time, whatever else is. */
function dueAtMs({ renewalMs, state: { isUnwanted, nextAttemptMs } }: Entry): number {
  return Math.max(isUnwanted ? 0 : renewalMs, nextAttemptMs);
}

function stateOf({ wanted, entry }: Known): CertificateState {
  const { dates, state, isUnderWay } = entry;
  const { directory, failures, trouble } = state;
  const { names, keyType } = wanted;
  return {
    ...{ names, keyType, isUnderWay, failures, trouble },
    isIssued: entry.issued !== null,
    authority: directory === '' ? null : authorityName(directory),
    validUntil: dates === null ? null : new Date(dates.notAfterMs).toISOString(),
    next: new Date(dueAtMs(entry)).toISOString(),
  };
}

function sentenceOf(state: CertificateState): string {
  const { keyType, isIssued, authority, validUntil, next, isUnderWay, failures, trouble } = state;
  const serves = isIssued
    ? `a certificate (${keyType}) of ${authority ?? 'an authority'} serves, valid until ${validUntil}`
    : `a self-signed certificate (${keyType}) serves`;
  const failed = failures === 0 ? '' : `; ${failures} orders in a row have failed: ${trouble}`;
  return `${serves}${failed}; ${isUnderWay ? 'an order is under way' : `the next order is at ${next}`}`;
}
