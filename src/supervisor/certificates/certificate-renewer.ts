/**
 * Keeps the certificates of all hosts as they should be while sluice runs: takes in files that have
 * changed, and the revocation status of each. What cannot be used is told, and what was in use
 * stays; open connections keep theirs anyway.
 */

import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { UsageError } from '../../base/errors.ts';
import { type OnFault, owned, repeated } from '../../base/owned.ts';
import { withoutMark } from '../../config/certificate.ts';
import type { CertificateFiles, HostOptions } from '../../config/options.ts';
import type { CertificateFacts, CertificateMetrics } from '../../telemetry/certificate-metrics.ts';
import type { Report } from '../../telemetry/log-event.ts';
import type { CertificatePair } from '../../tls/host-options.ts';
import { hostWarnings } from '../../tls/server-host.ts';
import { FileWatch } from './certificate-files.ts';
import { Stapler } from './stapler.ts';

/** Milliseconds between two looks at all files; a change is reloaded by the second look that sees it. */
export const CERTIFICATE_POLL_MS = 2_000;

export interface CertificateRenewerInput {
  /** Those that are active. */
  hosts(): readonly HostOptions[];
  /** Applies other certificates of a host, for new connections everywhere. */
  replace(host: number, certificates: readonly CertificatePair[]): void;
  readonly metrics: Pick<CertificateMetrics, 'inUse' | 'reloaded' | 'ocspFetched'>;
  /** A certificate's issuer says that it has revoked it. */
  onRevoked?(certificatePem: string): void;
  readonly wallMs: () => number;
  readonly report: Report;
  /** Has what fails inside of sluice; the next look comes. */
  readonly onFault: OnFault;
}

export class CertificateRenewer implements Disposable {
  readonly #input: CertificateRenewerInput;
  readonly #files = new FileWatch();
  readonly #stapler: Stapler;
  #rounds: Disposable | null = null;
  #isClosed = false;

  constructor(input: CertificateRenewerInput) {
    this.#input = input;
    this.#stapler = new Stapler({
      wallMs: input.wallMs,
      onFetched: (outcome) => input.metrics.ocspFetched(outcome),
      onRevoked: (certificatePem) => input.onRevoked?.(certificatePem),
      report: input.report,
      onFault: input.onFault,
    });
  }

  /** Looks at once, and again and again. */
  start(): void {
    const { onFault } = this.#input;
    owned(this.look(), onFault);
    this.#rounds = repeated(CERTIFICATE_POLL_MS, () => this.look(), onFault);
  }

  /** Which certificates are served with from the start. */
  tellLoaded(): void {
    for (const { tls, certificateFiles, isAcme } of this.#input.hosts()) {
      for (const [i, { certificatePem }] of tls.certificates.entries()) {
        const file = certificateFiles[i]?.certificateFile ?? null;
        const { host, key, expiresAt } = factsOf(certificatePem, tls.names[0]);
        const until = new Date(expiresAt * 1000).toISOString();
        this.#input.report(
          `${file ?? (isAcme ? host : 'self-signed')}: loaded; ${key}, valid until ${until}`,
          {
            level: 'info',
            event: 'certificate-loaded',
            fields: { file, host, key, until },
          },
        );
      }
    }
  }

  /**
   * Others are in use than before: read before a renewal, perhaps, that was taken in meanwhile. The next
   * look compares all with the files.
   */
  lookAgain(): void {
    this.#files.forget();
  }

  /** One look at everything. */
  async look(): Promise<void> {
    for (const [index, host] of this.#input.hosts().entries()) {
      for (const [i, files] of host.certificateFiles.entries()) {
        if (files === null) continue;
        const { certificateFile, keyFile } = files;
        const isChanged = await this.#files.haveChanged([certificateFile, keyFile]);
        if (isChanged && !this.#isClosed) await this.#takeIn(index, i, files);
      }
    }
    if (this.#isClosed) return;
    this.#staple();
    this.#count();
  }

  async #takeIn(index: number, i: number, files: CertificateFiles): Promise<void> {
    const { metrics, report } = this.#input;
    try {
      const read = await Promise.all([
        readFile(files.certificateFile, 'latin1'),
        readFile(files.keyFile, 'latin1'),
      ]);
      const [certificatePem, keyPem] = [withoutMark(read[0]), withoutMark(read[1])];
      // A reload may have changed the hosts meanwhile.
      const host = this.#input.hosts()[index];
      if (host?.certificateFiles[i]?.certificateFile !== files.certificateFile) return;
      const present = host.tls.certificates[i]!;
      if (present.certificatePem === certificatePem && present.keyPem === keyPem) return;
      const certificates = host.tls.certificates.with(i, { certificatePem, keyPem });
      const warnings = hostWarnings({ ...host.tls, certificates });
      this.#input.replace(index, certificates);
      metrics.reloaded('replaced');
      const event = 'certificate-replaced';
      report(`${files.certificateFile}: reloaded; ${describe(certificatePem)}`, { event });
      for (const warning of warnings) {
        report(`${files.certificateFile}: ${warning}`, {
          level: 'warning',
          event: 'certificate-warning',
        });
      }
    } catch (error) {
      metrics.reloaded('failed');
      report(`${files.certificateFile}: ${reasonOf(error)}; what was in use stays`, {
        level: 'error',
        event: 'certificate-refused',
      });
    }
  }

  /** Certificates get the status that there is for them now, if any. */
  #staple(): void {
    for (const [index, host] of this.#input.hosts().entries()) {
      const { tls } = host;
      const certificates = tls.certificates.map((pair, i) => {
        const staple = tls.ocspStapling ? this.#stapleOf(host, i) : null;
        const { certificatePem, keyPem } = pair;
        if (staple === null) return { certificatePem, keyPem };
        return { certificatePem, keyPem, ocspResponse: staple.response };
      });
      const isSame = certificates.every(
        (pair, i) => pair.ocspResponse === tls.certificates[i]!.ocspResponse,
      );
      if (!isSame) this.#input.replace(index, certificates);
    }
  }

  #stapleOf(host: HostOptions, i: number) {
    const { certificatePem } = host.tls.certificates[i]!;
    const ofNone = host.isAcme ? host.tls.names[0]! : 'the certificate made for localhost';
    const label = host.certificateFiles[i]?.certificateFile ?? ofNone;
    return this.#stapler.stapleFor(certificatePem, label);
  }

  #count(): void {
    const { hosts, metrics } = this.#input;
    const facts = hosts().flatMap((host) =>
      host.tls.certificates.map((_pair, i): CertificateFacts => {
        const { certificatePem, ocspResponse } = host.tls.certificates[i]!;
        const staple = ocspResponse === undefined ? null : this.#stapleOf(host, i);
        return {
          ...factsOf(certificatePem, host.tls.names[0]),
          stapleExpiresAt: Math.floor((staple?.expiresAtMs ?? 0) / 1000),
        };
      }),
    );
    metrics.inUse(facts);
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#rounds?.[Symbol.dispose]();
  }
}

/** Certificates that were parsed for the metrics: they rarely change. */
const parsed = new Map<string, { key: string; name: string; expiresAt: number }>();
const PARSED_MAX = 4_096;

function factsOf(certificatePem: string, hostName: string | undefined) {
  let facts = parsed.get(certificatePem);
  if (facts === undefined) {
    const certificate = new X509Certificate(certificatePem);
    const { publicKey, subjectAltName, subject, validToDate } = certificate;
    const name = /DNS:([^,\s]+)/.exec(subjectAltName ?? '')?.[1] ?? subject ?? '';
    const key = (publicKey.asymmetricKeyType ?? 'other').toUpperCase();
    facts = { key, name, expiresAt: Math.floor(validToDate.getTime() / 1000) };
    if (parsed.size >= PARSED_MAX) parsed.clear();
    parsed.set(certificatePem, facts);
  }
  return { host: hostName ?? facts.name, key: facts.key, expiresAt: facts.expiresAt };
}

function describe(certificatePem: string): string {
  const { validTo, fingerprint256 } = new X509Certificate(certificatePem);
  return `valid until ${validTo}, SHA-256 ${fingerprint256}`;
}

function reasonOf(error: unknown): string {
  if (error instanceof UsageError) return error.message;
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined ? (error as Error).message : `it cannot be read (${code})`;
}
