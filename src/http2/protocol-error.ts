/** The errors that HTTP/2 hands to the layers above. */
import { type Blame, type Retry, SluiceError } from '../base/errors.ts';
import { ErrorCode, errorCodeName } from './protocol.ts';

/**
 * The error of a stream or connection that ended with an HTTP/2 error code; its own code is
 * `http2-` and the RFC's name in kebab-case, such as `http2-flow-control-error`.
 */
export function http2Error(
  errorCode: number,
  message: string,
  blame: Blame,
  retry: Retry = 'never',
): SluiceError {
  return new SluiceError(errorSlug(errorCode), message, { blame, retry });
}

/** Codes that RFC 9113 §7 does not know count as INTERNAL_ERROR, as it allows. */
function errorSlug(errorCode: number): string {
  const known = errorCode <= ErrorCode.HTTP_1_1_REQUIRED ? errorCode : ErrorCode.INTERNAL_ERROR;
  return `http2-${errorCodeName(known).toLowerCase().replaceAll('_', '-')}`;
}
