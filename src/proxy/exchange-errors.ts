/** What an exchange itself finds wrong. */
import { SluiceError } from '../base/errors.ts';

export function loopError(): SluiceError {
  return new SluiceError('loop-detected', 'the request has passed through here too often', {
    blame: 'downstream',
  });
}

export function incompleteError(cause: Error): SluiceError {
  return new SluiceError('response-incomplete', `the response broke off: ${cause.message}`, {
    blame: 'upstream',
    cause,
  });
}
