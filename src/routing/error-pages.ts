/** Pages in place of the short texts of errors, and, where the route says so, of the origin's errors. */
import { FieldSection } from '../http/field-section.ts';
import type { LocalResponse } from './local-response.ts';
import type { ErrorPages } from './route.ts';

/**
 * Bytes of one page. It is kept in every worker's memory and sent in one piece; pages with their
 * pictures belong on an origin.
 */
export const ERROR_PAGE_BYTES_MAX = 262_144;

/** About the content that is replaced (RFC 9110 §8, RFC 9530). */
const OF_CONTENT = [
  'accept-ranges',
  'content-digest',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-md5',
  'content-range',
  'content-type',
  'etag',
  'last-modified',
  'repr-digest',
];

interface Page {
  readonly contentType: string;
  readonly content: Uint8Array;
}

export class ErrorPageSet {
  readonly #pages = new Map<string, Page>();
  readonly #intercept: boolean;

  constructor(options: ErrorPages) {
    const encoder = new TextEncoder();
    for (const [status, { contentType, content }] of Object.entries(options.pages)) {
      this.#pages.set(status, { contentType, content: encoder.encode(content) });
    }
    this.#intercept = options.intercept;
  }

  /** A response of our own with the page for its status, or as it is when there is none. */
  dress(response: LocalResponse): LocalResponse {
    const page = this.#pageFor(response.status);
    if (page === undefined) return response;
    response.fields.set('content-type', page.contentType);
    return { ...response, content: page.content };
  }

  /** Whether a response of the origin gets a page instead of its own content. */
  intercepts(status: number): boolean {
    return this.#intercept && this.#pageFor(status) !== undefined;
  }

  /** The origin's response with the page as its content. */
  replace(status: number, received: FieldSection): LocalResponse {
    const page = this.#pageFor(status)!;
    const fields = new FieldSection();
    for (const [name, value] of received) {
      // Of a 416 it says how long the representation is (RFC 9110 §15.5.17), and nothing of content.
      const isLength = status === 416 && name === 'content-range';
      if (isLength || !OF_CONTENT.includes(name)) fields.append(name, value);
    }
    fields.append('content-type', page.contentType);
    return { status, fields, content: page.content };
  }

  #pageFor(status: number): Page | undefined {
    if (status < 400) return undefined;
    return this.#pages.get(String(status)) ?? this.#pages.get(status < 500 ? '4xx' : '5xx');
  }
}
