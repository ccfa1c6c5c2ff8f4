/** A stored response made ready to be sent in one call. */
import type { FieldSection } from '../http/field-section.ts';
import type { PreparedHit, StoredResponse } from './contract.ts';

/**
 * One instance per stored response, so that a sender may keep the encoded form of its field section
 * beside it. Everything but the age is constant.
 */
export class PreparedStoredResponse implements PreparedHit {
  readonly status: number;
  fields: FieldSection;
  readonly content: Uint8Array;
  ageSeconds = -1;
  madeBy: object | null = null;
  madeFor = '';
  // Set here so that every instance has one shape.
  http1Head: Uint8Array | undefined = undefined;
  http2Head: Uint8Array | undefined = undefined;
  http3Head: Uint8Array | undefined = undefined;

  constructor(response: StoredResponse, content: Uint8Array) {
    this.status = response.status;
    this.fields = response.fields;
    this.content = content;
  }
}
