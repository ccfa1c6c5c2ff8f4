/** Everything that looks after certificates while sluice runs: files and their status, and authorities. */
import type { ChallengeAnswers } from '../../acme/challenges.ts';
import { askOverHttps } from '../../acme/https.ts';
import type { OnFault } from '../../base/owned.ts';
import type { SluiceOptions } from '../../config/options.ts';
import type { CertificateMetrics } from '../../telemetry/certificate-metrics.ts';
import type { Report } from '../../telemetry/log-event.ts';
import type { CertificatePair } from '../../tls/host-options.ts';
import { AcmeCluster } from './acme-cluster.ts';
import { AcmeKeeper } from './acme-keeper.ts';
import { CertificateRenewer } from './certificate-renewer.ts';
import { lookUpBy, ownAddresses } from './name-look-up.ts';

export interface CertificatesInput {
  /** Those that are active. */
  options(): SluiceOptions;
  replace(host: number, certificates: readonly CertificatePair[]): void;
  /** Resolves when every worker answers so. */
  show(answers: ChallengeAnswers): Promise<void>;
  readonly metrics: CertificateMetrics;
  readonly version: string;
  readonly report: Report;
  readonly onFault: OnFault;
}

export class Certificates implements Disposable {
  readonly #renewer: CertificateRenewer;
  readonly #keeper: AcmeKeeper;

  constructor(input: CertificatesInput) {
    const { replace, show, metrics, report, onFault, version } = input;
    const hosts = () => input.options().hosts;
    const common = { hosts, replace, metrics, report, onFault, wallMs: Date.now };
    this.#renewer = new CertificateRenewer({
      ...common,
      onRevoked: (certificatePem) => this.#keeper.replaceRevoked(certificatePem),
    });
    this.#keeper = new AcmeKeeper({
      ...common,
      options: () => input.options().acme,
      show,
      lookUpBy,
      ownAddresses,
      askBy: ({ authoritiesPem }) =>
        askOverHttps({ authoritiesPem, userAgent: `sluice/${version}` }),
      clusterBy: ({ cluster }, events) => {
        if (cluster === null) return null;
        const secret = Buffer.from(cluster.secret, 'hex');
        return new AcmeCluster({ options: cluster, secret, ...events, report, onFault });
      },
    });
  }

  start(): void {
    this.#renewer.tellLoaded();
    this.#keeper.tellStandIns();
    this.#renewer.start();
    this.#keeper.start();
  }

  /** Those that come from authorities. */
  get acme(): AcmeKeeper {
    return this.#keeper;
  }

  /** Other options are applied. */
  lookAgain(): void {
    this.#renewer.lookAgain();
    this.#keeper.look();
  }

  [Symbol.dispose](): void {
    this.#renewer[Symbol.dispose]();
    this.#keeper[Symbol.dispose]();
  }
}
