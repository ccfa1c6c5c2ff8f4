/**
 * WebSocket over HTTP/2 (RFC 8441) toward an origin that speaks it over HTTP/1.1 (RFC 6455): an
 * extended CONNECT becomes a GET with Upgrade, and 101 becomes 200. The bytes after that are the same.
 */
import { createHash, randomBytes } from 'node:crypto';
import { SluiceError } from '../base/errors.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';

/** RFC 6455 §1.3. */
const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** RFC 6455 §4.1. */
const KEY_BYTES = 16;

/** Whether the request is an extended CONNECT for the protocol that we can translate. */
function isWebSocketConnect(head: RequestHead): boolean {
  return head.method === 'CONNECT' && head.upgrade === 'websocket';
}

/**
 * The request that is asked for, by which it is judged, routed and sent: for an extended CONNECT the
 * GET that it becomes, for others the same.
 */
export function requestMeantBy(head: RequestHead): RequestHead {
  return isWebSocketConnect(head) ? { ...openingHandshake(head), sentAs: head } : head;
}

/** The opening handshake over HTTP/1.1 (RFC 6455 §4.1) that says what an extended CONNECT does. */
function openingHandshake(head: RequestHead): RequestHead {
  const fields = head.fields.clone();
  fields.set('sec-websocket-key', randomBytes(KEY_BYTES).toString('base64'));
  // RFC 6455 §4.1: it must be there; 13 is the only one there is.
  if (!fields.has('sec-websocket-version')) fields.append('sec-websocket-version', '13');
  return { ...head, method: 'GET', fields, contentLength: 0 };
}

/**
 * The error of an origin that does not agree to what an opening handshake asked, or null. A final
 * response that is no success goes to the client as it is; a success would be taken for a tunnel.
 */
export function handshakeFault(asked: RequestHead, response: ResponseHead): SluiceError | null {
  const { status, fields } = response;
  if (status === 101) {
    if (!isSwitching(fields)) return failed('the origin switched to another protocol');
    const accept = acceptFor(asked.fields.first('sec-websocket-key') ?? '');
    if (fields.first('sec-websocket-accept') === accept) return null;
    return failed('the origin answered another WebSocket key');
  }
  return status >= 200 && status < 300 ? failed('the origin did not open the WebSocket') : null;
}

/** RFC 8441 §5: the key and what answers it do not exist in HTTP/2. */
export function tunnelFields(response: ResponseHead): FieldSection {
  const fields = response.fields.clone();
  fields.remove('sec-websocket-accept');
  return fields;
}

function isSwitching(fields: FieldSection): boolean {
  return fields.combined('upgrade')?.trim().toLowerCase() === 'websocket';
}

/** RFC 6455 §4.2.2. */
function acceptFor(key: string): string {
  return createHash('sha1')
    .update(key + ACCEPT_GUID)
    .digest('base64');
}

function failed(message: string): SluiceError {
  return new SluiceError('upgrade-failed', message, { blame: 'upstream' });
}
