/** OpenSSL's per-thread error queue. */
import { stringAt } from './load.ts';
import { libcrypto } from './openssl-table.ts';

/** `ERR_LIB_SSL` (err.h). */
export const ERR_LIB_SSL = 20;
/** `SSL_AD_REASON_OFFSET` (ssl.h): reasons from here on name an alert that the peer sent. */
export const ALERT_REASON_OFFSET = 1000;

const ERRORS_READ_MAX = 16;

export interface OpensslError {
  /** `ERR_LIB_…` of err.h, as 20 for libssl. */
  readonly library: number;
  /** `SSL_R_…` or another library's reason. */
  readonly reason: number;
  /** OpenSSL's words for the reason. */
  readonly text: string;
}

/** Empties the queue; oldest first, so the first one is the cause. */
export function takeOpensslErrors(): OpensslError[] {
  const errors: OpensslError[] = [];
  while (errors.length < ERRORS_READ_MAX) {
    const packed = libcrypto.checked.ERR_get_error();
    if (packed === 0n) break;
    errors.push({
      library: Number((packed >> 23n) & 0xffn),
      reason: Number(packed & 0x7f_ffffn),
      text: stringAt(libcrypto.checked.ERR_reason_error_string(packed)),
    });
  }
  libcrypto.checked.ERR_clear_error();
  return errors;
}

/** The queue in one line, for the message of an error that only we can have caused. */
export function opensslErrorText(): string {
  return (
    takeOpensslErrors()
      .map((error) => error.text)
      .join('; ') || 'no reason given'
  );
}
