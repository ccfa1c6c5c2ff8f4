/**
 * The section `hosts`: files are read here, and certificates, lists of ciphers and groups are tried
 * on OpenSSL, so that a mistake is found before anything listens.
 */
import { NAMES_PER_CERTIFICATE_MAX } from '../../acme/options.ts';
import { UsageError } from '../../base/errors.ts';
import {
  type ClientIdentityFields,
  defaultClientIdentityFields,
} from '../../proxy/request/client-identity.ts';
import { defaultEarlyDataPolicy, type EarlyDataPolicy } from '../../proxy/request/early-data.ts';
import { editableName } from '../../routing/field-edits.ts';
import {
  type CertificatePair,
  type ClientCertificateOptions,
  type HostEarlyDataOptions,
  type HostTlsOptions,
  plainHost,
} from '../../tls/host-options.ts';
import { hostWarnings } from '../../tls/server-host.ts';
import { readPemText } from '../certificate.ts';
import type { KeyPath } from '../document/diagnostic.ts';
import type { CertificateFiles, HostOptions } from '../options.ts';
import { pairInUse } from '../pair-in-use.ts';
import type { HostsEntry } from '../schema/hosts.ts';
import type { CompileContext } from './context.ts';
import { hostName } from './host-name.ts';

type HostEntry = HostsEntry[number];
type EarlyDataEntry = Exclude<NonNullable<HostEntry['early-data']>, boolean>;

export function compileHosts(entries: HostsEntry, context: CompileContext): HostOptions[] {
  const claimed = new Map<string, number>();
  return entries.map((entry, index) => {
    const host = new HostCompiler(entry, index, context.below(index)).compile();
    for (const [i, name] of host.tls.names.entries()) {
      const other = claimed.get(name);
      if (other === undefined) claimed.set(name, index);
      else context.refuse([index, 'names', i], `hosts[${other}] has it`, 'remove one of them');
    }
    return host;
  });
}

/** Why a certificate cannot be had from its files; '' when it can. */
function faultOfFiles({ certificateFile, keyFile }: CertificateFiles): string {
  try {
    const certificatePem = readPemText(certificateFile);
    const keyPem = readPemText(keyFile);
    hostWarnings({ ...plainHost, certificates: [{ certificatePem, keyPem }] });
    return '';
  } catch (error) {
    return `${certificateFile}: ${(error as Error).message}`;
  }
}

function isUsable(pair: CertificatePair): boolean {
  try {
    hostWarnings({ ...plainHost, certificates: [pair] });
    return true;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return false;
  }
}

class HostCompiler {
  readonly #entry: HostEntry;
  readonly #index: number;
  readonly #context: CompileContext;
  #isSound = true;

  constructor(entry: HostEntry, index: number, context: CompileContext) {
    this.#entry = entry;
    this.#index = index;
    this.#context = context;
  }

  compile(): HostOptions {
    const { tls: entry = {} } = this.#entry;
    const isAcme = this.#entry.certificates === 'acme';
    const certificates = this.#certificates();
    const tls: HostTlsOptions = {
      names: this.#names(),
      certificates: certificates.map(({ pair }) => pair),
      minVersion: entry['min-version'] ?? plainHost.minVersion,
      maxVersion: entry['max-version'] ?? plainHost.maxVersion,
      ciphers: entry.ciphers ?? plainHost.ciphers,
      cipherSuites: entry['cipher-suites'] ?? plainHost.cipherSuites,
      groups: entry.groups ?? plainHost.groups,
      clientCertificates: this.#clientCertificates(),
      earlyData: this.#earlyData(),
      ocspStapling: entry['ocsp-stapling'] ?? plainHost.ocspStapling,
      certificateCompression: entry['certificate-compression'] ?? plainHost.certificateCompression,
    };
    if (isAcme) this.#checkAcmeNames(tls.names);
    if (this.#isSound) this.#try(tls);
    return {
      tls,
      isAcme,
      certificateFiles: certificates.map(({ files }) => files),
      earlyDataPolicy: this.#earlyDataPolicy(),
      clientIdentityFields: this.#identityFields(),
    };
  }

  #refuse(path: KeyPath, problem: string, remedy: string): void {
    this.#isSound = false;
    this.#context.refuse(path, problem, remedy);
  }

  /** What OpenSSL says to it. */
  #try(tls: HostTlsOptions): void {
    try {
      for (const warning of hostWarnings(tls)) this.#context.warn([], warning);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      const index = tls.certificates.findIndex((pair) => !isUsable(pair));
      // OpenSSL speaks of the pair: of the key, unless it cannot read the certificate.
      const file = /\bkey\b/.test(error.message) ? 'key' : 'cert';
      const path = index === -1 ? [] : ['certificates', index, file];
      this.#refuse(path, error.message, error.remedy);
    }
  }

  #names(): string[] {
    const { names = [] } = this.#entry;
    if (names.length === 0 && this.#index > 0) {
      this.#refuse([], 'only the first host can be without names', 'add names');
    }
    const refuse = this.#refuse.bind(this);
    return names.map((written, i) => hostName(written, ['names', i], { refuse }));
  }

  #certificates(): { pair: CertificatePair; files: CertificateFiles }[] {
    const { certificates } = this.#entry;
    if (certificates === 'acme') return [];
    return certificates.map(({ cert, key }, i) => {
      const files = { certificateFile: cert, keyFile: key };
      const inUse = pairInUse(this.#context.hostsInUse, files);
      const fault = inUse === null ? '' : faultOfFiles(files);
      if (inUse !== null && fault !== '') {
        this.#context.warn(['certificates', i], `${fault}; what was in use stays`);
        return { pair: inUse, files };
      }
      const certificatePem = this.#readPem(['certificates', i, 'cert'], files.certificateFile);
      const keyPem = this.#readPem(['certificates', i, 'key'], files.keyFile);
      return { pair: { certificatePem, keyPem }, files };
    });
  }

  /** What no authority would issue. */
  #checkAcmeNames(names: readonly string[]): void {
    if (names.length === 0) {
      this.#refuse(['certificates'], 'acme needs to know the names', 'add names');
    }
    if (names.length > NAMES_PER_CERTIFICATE_MAX) {
      const problem = `more than ${NAMES_PER_CERTIFICATE_MAX} names in one certificate`;
      this.#refuse(['names'], problem, 'make several hosts of it');
    }
  }

  #readPem(path: KeyPath, file: string): string {
    let text = '';
    try {
      text = readPemText(file);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const why = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`;
      this.#refuse(path, `${file}: ${why}`, 'name a PEM file that this user may read');
      return text;
    }
    if (!text.includes('-----BEGIN ')) {
      this.#refuse(path, `${file}: not a PEM file`, 'convert it to PEM');
    }
    return text;
  }

  #clientCertificates(): ClientCertificateOptions {
    const entry = this.#entry.tls?.['client-certificates'];
    if (entry === undefined || entry.mode === 'off') return plainHost.clientCertificates;
    const path = ['tls', 'client-certificates'];
    if (entry.ca === undefined) {
      this.#refuse(path, 'no issuer is trusted', 'add ca: FILE');
      return plainHost.clientCertificates;
    }
    return { mode: entry.mode, authoritiesPem: this.#readPem([...path, 'ca'], entry.ca) };
  }

  #identityFields(): ClientIdentityFields {
    const entry = this.#entry.tls?.['client-certificates'];
    const name = (key: 'header' | 'chain-header' | 'subject-header', byDefault: string) => {
      const written = entry?.[key];
      if (written === undefined) return byDefault;
      if (written === 'off') return '';
      try {
        return editableName(written, 'request');
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        this.#refuse(['tls', 'client-certificates', key], error.message, 'choose another name');
        return byDefault;
      }
    };
    return {
      certificate: name('header', defaultClientIdentityFields.certificate),
      chain: name('chain-header', defaultClientIdentityFields.chain),
      subject: name('subject-header', defaultClientIdentityFields.subject),
    };
  }

  get #earlyDataEntry(): EarlyDataEntry {
    const entry = this.#entry['early-data'] ?? {};
    return typeof entry === 'boolean' ? { enabled: entry } : entry;
  }

  #earlyData(): HostEarlyDataOptions {
    const entry = this.#earlyDataEntry;
    const { enabled, bytesMax, inFlightBytesMax } = plainHost.earlyData;
    return {
      enabled: entry.enabled ?? enabled,
      bytesMax: entry['max-size'] ?? bytesMax,
      inFlightBytesMax: entry['in-flight-max'] ?? inFlightBytesMax,
    };
  }

  #earlyDataPolicy(): EarlyDataPolicy {
    const entry = this.#earlyDataEntry;
    const { methods, query, excludedPaths, otherwise } = defaultEarlyDataPolicy;
    for (const [i, path] of (entry['excluded-paths'] ?? []).entries()) {
      if (path.startsWith('/') && !/[?#\s]/.test(path)) continue;
      const remedy = 'begin it with / and leave out query and spaces';
      this.#refuse(['early-data', 'excluded-paths', i], 'no path', remedy);
    }
    return {
      methods: entry.methods ?? methods,
      query: entry.query ?? query,
      excludedPaths: entry['excluded-paths'] ?? excludedPaths,
      otherwise: entry.otherwise ?? otherwise,
    };
  }
}
