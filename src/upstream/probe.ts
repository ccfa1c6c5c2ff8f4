/** One active health check of one endpoint, on a connection of its own. */
import type { SluiceError } from '../base/errors.ts';
import { isOwnShortage } from '../base/shortage.ts';
import { configuredAuthority } from '../http/authority.ts';
import type { ResponseHandler } from '../http/exchange.ts';
import { FieldSection } from '../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { Timer } from '../reactor/timer-wheel.ts';
import {
  OriginConnection,
  type OriginConnectionInput,
  type OriginConnectionOwner,
} from './connection.ts';
import type { HealthCheckOptions } from './options.ts';

export interface ProbeInput {
  readonly connection: Omit<OriginConnectionInput, 'owner'>;
  readonly options: HealthCheckOptions;
  /** Host and port as the origin knows itself. */
  readonly authority: string;
  /**
   * Called once; '' when the endpoint is well, else what is wrong in words; null when it could not be
   * asked for want of something of ours, which is no verdict.
   */
  readonly onVerdict: (fault: string | null) => void;
}

export class Probe implements OriginConnectionOwner, ResponseHandler {
  readonly #input: ProbeInput;
  readonly #timer: Timer;
  readonly #connection: OriginConnection;
  #isOver = false;

  constructor(input: ProbeInput) {
    this.#input = input;
    const { reactor } = input.connection;
    this.#timer = reactor.timer(() => this.#end('no answer in time'));
    this.#timer.arm(input.options.timeoutMs);
    this.#connection = new OriginConnection({ ...input.connection, owner: this });
  }

  /** No verdict follows. */
  cancel(): void {
    this.#isOver = true;
    this.#timer.cancel();
    // Later: a handshake's last bytes may be on their way out.
    this.#input.connection.reactor.defer(() => this.#connection.close());
  }

  #end(fault: string | null): void {
    if (this.#isOver) return;
    this.cancel();
    this.#input.onVerdict(fault);
  }

  // ------------------------------------------------------------------ from the connection

  onReady(connection: OriginConnection): void {
    const { options, authority } = this.#input;
    if (this.#isOver) return;
    if (options.path === '') this.#end('');
    else connection.start(checkHead(options, authority), this);
  }

  onGone(_connection: OriginConnection, error: SluiceError | null): void {
    this.#end(error === null ? 'the origin closed the connection' : faultOf(error));
  }

  onAvailable(): void {}
  onIdle(): void {}
  onHandshake(): void {}

  // ------------------------------------------------------------------ from the exchange

  onHead({ status }: ResponseHead): void {
    const isWell = this.#input.options.statuses.some(
      ([min, max]) => status >= min && status <= max,
    );
    this.#end(isWell ? '' : `status ${status}`);
  }

  onError(error: SluiceError): void {
    this.#end(faultOf(error));
  }

  onInformational(): void {}
  onContent(): void {}
  onEnd(): void {}
  onUpgrade(): void {}
  onWritable(): void {}
}

function faultOf(error: SluiceError): string | null {
  return isOwnShortage(error) ? null : error.message;
}

/** For tests, too: the request that a check sends. */
export function checkHead(options: HealthCheckOptions, authority: string): RequestHead {
  const host = options.host === '' ? authority : options.host;
  const fields = new FieldSection();
  fields.append('host', host);
  fields.append('user-agent', 'sluice health check');
  return {
    method: 'GET',
    version: '1.1',
    scheme: 'http',
    authority: configuredAuthority(host),
    path: options.path,
    fields,
    contentLength: 0,
    expectContinue: false,
    upgrade: '',
  };
}
