/** What a cluster knows together about certificates from authorities, sealed with its operator's secret. */
import { createHash } from 'node:crypto';
import type { Challenge } from '../../acme/contract.ts';
import type { Issued, OpenOrder, OrderMemory } from '../../acme/order.ts';
import { Seal } from '../../acme/sealed.ts';
import type { OnFault } from '../../base/owned.ts';
import { CertificateSync, type OrderClaim } from '../../cluster/certificate-sync.ts';
import type { ClusterOptions } from '../../cluster/options.ts';
import type { Report } from '../../telemetry/log-event.ts';

/** A certificate as it is shared. */
export interface SharedCertificate extends Issued {
  /** Of the authority that has issued it. */
  readonly directory: string;
  /** When, in wall-clock milliseconds of whoever ordered it. */
  readonly issuedMs: number;
}

export interface AcmeClusterInput {
  readonly options: ClusterOptions;
  readonly secret: Uint8Array;
  /** One was issued, by whichever instance. */
  onCertificate(id: string, certificate: SharedCertificate): void;
  /** All that authorities are shown now, by whichever instance. */
  onChallenges(challenges: readonly Challenge[]): Promise<void>;
  /** What is there: others may be put there. */
  onIds(ids: ReadonlySet<string>): void;
  readonly report: Report;
  readonly onFault: OnFault;
}

const CHALLENGE = 'challenge';

export class AcmeCluster implements Disposable {
  readonly #input: AcmeClusterInput;
  readonly #seal: Seal;
  readonly #sync: CertificateSync;
  #hasToldSeal = false;

  constructor(input: AcmeClusterInput) {
    this.#input = input;
    this.#seal = new Seal(input.secret);
    const { options, onIds, onFault } = input;
    this.#sync = new CertificateSync({
      options,
      onCertificate: (id, text) => {
        const certificate = this.#opened<SharedCertificate>(text, `certificate ${id}`);
        if (certificate !== null) input.onCertificate(id, certificate);
      },
      onChallenges: (texts) => {
        const all = texts.map((text) => this.#opened<Challenge>(text, CHALLENGE));
        return input.onChallenges(all.filter((one) => one !== null));
      },
      onIds,
      onFault,
    });
  }

  claim(id: string): Promise<OrderClaim> {
    return this.#sync.claim(id);
  }

  /** What others have done is known after it, if it resolves with true. */
  look(): Promise<boolean> {
    return this.#sync.look();
  }

  release(id: string, restMs: number): Promise<void> {
    return this.#sync.release(id, restMs);
  }

  get isUp(): boolean {
    return this.#sync.isUp;
  }

  /** Whether the others can have it now. */
  publish(id: string, certificate: SharedCertificate): Promise<boolean> {
    return this.#sync.publish(
      id,
      certificate.issuedMs,
      this.#closed(certificate, `certificate ${id}`),
    );
  }

  /** One account for all, so that what one has begun another can end. Rejects while Redis is away. */
  async accountKey(directory: string, ours: string): Promise<string> {
    const purpose = `account ${directory}`;
    const name = createHash('sha256').update(purpose).digest('base64url');
    const agreed = await this.#sync.agreed(name, this.#closed({ keyPem: ours }, purpose));
    return this.#opened<{ keyPem: string }>(agreed, purpose)?.keyPem ?? ours;
  }

  /** Of the order of one certificate at one authority. */
  memoryOf(id: string, directory: string): OrderMemory {
    const purpose = `order ${id} ${directory}`;
    return {
      read: async () => {
        const text = await this.#sync.order(id);
        return text === null ? null : this.#opened<OpenOrder>(text, purpose, false);
      },
      keep: (order) => this.#sync.keepOrder(id, this.#closed(order, purpose)),
    };
  }

  forgetOrder(id: string): Promise<void> {
    return this.#sync.forgetOrder(id);
  }

  /** Resolves when every instance answers so. Rejects while Redis is away. */
  async show(challenges: readonly Challenge[]): Promise<void> {
    const shown = challenges.map((one) =>
      this.#sync.show(nameOf(one), this.#closed(one, CHALLENGE)),
    );
    await Promise.all(shown);
  }

  async hide(challenges: readonly Challenge[]): Promise<void> {
    for (const one of challenges) await this.#sync.hide(nameOf(one));
  }

  #closed(value: object, purpose: string): string {
    return this.#seal.close(JSON.stringify(value), purpose);
  }

  /** Null for what another secret has sealed, which is said once. */
  #opened<T>(text: string, purpose: string, isExpected = true): T | null {
    const open = this.#seal.open(text, purpose);
    if (open !== null) return JSON.parse(open) as T;
    if (isExpected && !this.#hasToldSeal) {
      this.#hasToldSeal = true;
      this.#input.report(
        'cluster: certificates there are sealed with another secret: give all instances the same ' +
          'acme.cluster-secret-file',
        { level: 'error', event: 'certificates-sealed' },
      );
    }
    return null;
  }

  [Symbol.dispose](): void {
    this.#sync[Symbol.dispose]();
  }
}

function nameOf({ type, name, token }: Challenge): string {
  return `${type} ${name} ${token}`;
}
