/**
 * Watching a handshake from inside OpenSSL, as other servers do and as we do not: everything of ours
 * looks at the record of an ended handshake. This exists so that the harm can be shown, and replayed
 * on a desk: OpenSSL calls in the middle of its state machine, where some of its own getters
 * dereference what is not there yet.
 */

import { isHostName } from '../base/host-names.ts';
import { Callback } from './callbacks.ts';
import { stringAt } from './load.ts';
import { libssl } from './openssl-table.ts';

/** Names of ssl.h (`SSL_CB_…`) for the moments that there are. */
const moments: Readonly<Record<number, InfoMoment>> = {
  16: 'handshake-start',
  32: 'handshake-done',
  8193: 'accept-loop',
  8194: 'accept-exit',
  16388: 'alert-received',
  16392: 'alert-sent',
};

export type InfoMoment =
  | 'handshake-start'
  /** Twice per TLS 1.3 handshake that SSL_read_early_data drives. */
  | 'handshake-done'
  | 'accept-loop'
  | 'accept-exit'
  | 'alert-received'
  | 'alert-sent'
  | 'other';

export interface InfoObserver {
  readonly name: string;
  /** Called from inside OpenSSL. `value`: an alert's number, or what a function returned. */
  observe(moment: InfoMoment, value: number, scene: InfoScene): void;
}

/** The connection that OpenSSL is working on. Valid during the call only. */
export class InfoScene {
  #ssl = 0n;

  /** OpenSSL's name of the state. Safe at any moment. */
  get stateName(): string {
    return stringAt(libssl.checked.SSL_state_string_long(this.#ssl));
  }

  /** What the client asked for (SNI), as soon as that is known; '' before, and for none. */
  get serverName(): string {
    const TLSEXT_NAMETYPE_HOST_NAME = 0;
    const name = stringAt(libssl.checked.SSL_get_servername(this.#ssl, TLSEXT_NAMETYPE_HOST_NAME));
    return isHostName(name) ? name : '';
  }

  /**
   * The negotiated group, asked for without a look at whether there is a session. At
   * `handshake-done` after a HelloRetryRequest there is none, and OpenSSL 3.5 ends the process.
   */
  get unguardedGroup(): string {
    return stringAt(libssl.checked.SSL_get0_group_name(this.#ssl));
  }

  /** **For native/ only**: the callback that tells the observers. */
  static callback(observers: readonly InfoObserver[]): Callback {
    const scene = new InfoScene();
    return new Callback(
      'info',
      { arguments: ['pointer', 'i32', 'i32'], return: 'void' },
      (ssl: bigint, where: number, value: number) => {
        scene.#ssl = ssl;
        for (const one of observers) one.observe(moments[where] ?? 'other', value, scene);
        return undefined;
      },
      undefined,
    );
  }
}
