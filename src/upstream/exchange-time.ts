/** Whose silence has ended an exchange. */
import { SluiceError } from '../base/errors.ts';

/** The origin has all of the request, or does not take it, and sends nothing. */
export function silentOriginError(): SluiceError {
  return new SluiceError('read-timeout', 'the origin sent nothing for too long', {
    blame: 'upstream',
  });
}

/** A response is under way, its request is not complete, and neither side sends: it is its turn. */
export function silentClientError(): SluiceError {
  return new SluiceError('request-timeout', 'the client sent no more of its request', {
    blame: 'downstream',
  });
}
