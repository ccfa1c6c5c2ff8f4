/**
 * Answers of our own to gRPC calls. Their clients read a status from the trailers and not from HTTP:
 * an answer is 200 with what they read, in one header block ("Trailers-Only" of gRPC over HTTP/2).
 */
import { hasStreams, type RequestHead } from '../../http/message.ts';
import { reasonPhrase } from '../../http/status.ts';
import type { LocalResponse } from '../../routing/local-response.ts';

/** `application/grpc`, with a format or parameters; not gRPC-Web, which is for HTTP/1.1, too. */
const GRPC_TYPE = /^application\/grpc(?:[+;\s]|$)/i;

/**
 * RFC 8470 §5.2: a client that has sent early data repeats what is answered with 425. It is HTTP's
 * matter, of which gRPC knows nothing.
 */
const TOO_EARLY = 425;

/** By gRPC's mapping of HTTP statuses ("HTTP to gRPC Status Code Mapping"); others are UNKNOWN. */
const GRPC_STATUS: Readonly<Record<number, number>> = {
  400: 13,
  401: 16,
  403: 7,
  404: 12,
  429: 14,
  502: 14,
  503: 14,
  504: 14,
};
const UNKNOWN = 2;

const NOTHING = new Uint8Array(0);

export function isGrpcCall({ version, fields }: RequestHead): boolean {
  if (!hasStreams(version)) return false;
  const type = fields.first('content-type');
  return type !== undefined && GRPC_TYPE.test(type);
}

/** The answer as a gRPC client understands it; others, and what is no failure, stay as they are. */
export function grpcAnswer(response: LocalResponse): LocalResponse & { readonly isAlone?: true } {
  const { status, fields } = response;
  if (status < 400 || status === TOO_EARLY) return response;
  fields.set('content-type', 'application/grpc');
  fields.set('grpc-status', String(GRPC_STATUS[status] ?? UNKNOWN));
  // In ASCII without `%`: nothing to encode.
  fields.set('grpc-message', `${status} ${reasonPhrase(status)}`);
  return { status: 200, fields, content: NOTHING, isAlone: true };
}
