/** The errors that HTTP/3 hands to the layers above. */
import { type Blame, type Retry, SluiceError } from '../base/errors.ts';
import { Http3ErrorCode, http3ErrorName } from './protocol.ts';

const known = new Set<number>(Object.values(Http3ErrorCode));

/**
 * The error of a stream or connection that ended with an HTTP/3 error code; its own code is `http3-`
 * and the RFC's name in kebab-case, such as `http3-message-error`.
 */
export function http3Error(
  errorCode: number,
  message: string,
  blame: Blame,
  retry: Retry = 'never',
): SluiceError {
  return new SluiceError(errorSlug(errorCode), message, { blame, retry });
}

/** Unknown codes count as H3_NO_ERROR (RFC 9114 §9); to whom a stream ended that says too little. */
function errorSlug(errorCode: number): string {
  const code = known.has(errorCode) ? errorCode : Http3ErrorCode.GENERAL_PROTOCOL_ERROR;
  const name = http3ErrorName(code).replace(/^H3_/, '');
  return `http3-${name.toLowerCase().replaceAll('_', '-')}`;
}
