/** A message that breaks the rules of RFC 9112, with the status that answers it. */
import { type Blame, SluiceError } from '../base/errors.ts';

export class MessageError extends SluiceError {
  override readonly name = 'MessageError';
  /** The status for a request that is refused; an origin's bad response becomes 502. */
  readonly status: number;

  constructor(status: number, code: string, message: string, blame: Blame) {
    super(code, message, { blame });
    this.status = status;
  }
}

/** Throws the error for the role that reads: a bad request is the client's fault. */
export type Refuse = (status: number, code: string, message: string) => never;

export const refuseRequest: Refuse = (status, code, message) => {
  throw new MessageError(status, code, message, 'downstream');
};

export const refuseResponse: Refuse = (_status, code, message) => {
  throw new MessageError(502, code, message, 'upstream');
};
