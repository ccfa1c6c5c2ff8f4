import { type ContentLimits, defaultContentLimits } from '../../http/content-watch.ts';
import type { TimeoutsEntry } from '../schema/timeouts.ts';

export interface ClientTimeouts {
  /** Null for off. */
  readonly requestBody: ContentLimits | null;
}

export const defaultTimeouts: ClientTimeouts = { requestBody: defaultContentLimits };

export function compileTimeouts({ 'request-body': body = {} }: TimeoutsEntry): ClientTimeouts {
  if (body === 'off') return { requestBody: null };
  const { contentGraceMs, contentBytesPerSecondMin, contentTotalTimeoutMs } = defaultContentLimits;
  return {
    requestBody: {
      contentGraceMs: body.grace ?? contentGraceMs,
      contentBytesPerSecondMin: body['min-rate'] ?? contentBytesPerSecondMin,
      contentTotalTimeoutMs: body.total ?? contentTotalTimeoutMs,
    },
  };
}
