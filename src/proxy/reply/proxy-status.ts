/**
 * From an error to the response that tells of it: the status code and the error type of
 * Proxy-Status (RFC 9209 §2.3).
 */
import type { SluiceError } from '../../base/errors.ts';

export interface ProxyStatus {
  readonly status: number;
  /** RFC 9209 §2.3 error type. */
  readonly type: string;
}

const BY_CODE: Record<string, ProxyStatus> = {
  'internal-error': { status: 500, type: 'proxy_internal_error' },
  'dns-error': { status: 502, type: 'dns_error' },
  'dns-timeout': { status: 504, type: 'dns_timeout' },
  'connection-refused': { status: 502, type: 'connection_refused' },
  'connection-reset': { status: 502, type: 'connection_terminated' },
  'connection-closed': { status: 502, type: 'connection_terminated' },
  'connection-timed-out': { status: 504, type: 'connection_timeout' },
  'connection-failed': { status: 502, type: 'destination_unavailable' },
  'connect-timeout': { status: 504, type: 'connection_timeout' },
  'read-timeout': { status: 504, type: 'http_response_timeout' },
  'host-unreachable': { status: 502, type: 'destination_ip_unroutable' },
  'network-unreachable': { status: 502, type: 'destination_ip_unroutable' },
  'no-connection-available': { status: 503, type: 'connection_limit_reached' },
  'out-of-resources': { status: 503, type: 'connection_limit_reached' },
  'origin-unavailable': { status: 503, type: 'destination_unavailable' },
  'response-incomplete': { status: 502, type: 'http_response_incomplete' },
  'upgrade-failed': { status: 502, type: 'http_upgrade_failed' },
  'loop-detected': { status: 508, type: 'proxy_loop_detected' },
  'access-denied': { status: 403, type: 'http_request_denied' },
  'rate-limited': { status: 429, type: 'http_request_denied' },
  'request-body-too-large': { status: 413, type: 'http_request_error' },
  'no-route': { status: 404, type: 'destination_not_found' },
  'ambiguous-path': { status: 400, type: 'http_request_error' },
  'value-too-long': { status: 431, type: 'http_request_error' },
  'path-too-long': { status: 414, type: 'http_request_error' },
  'underscore-in-header': { status: 400, type: 'http_request_error' },
  'misdirected-request': { status: 421, type: 'http_request_error' },
  'tunnel-client-refused': { status: 403, type: 'http_request_denied' },
  'tunnel-destination-refused': { status: 403, type: 'destination_ip_prohibited' },
  'tunnels-full': { status: 503, type: 'connection_limit_reached' },
  'plugin-failed': { status: 500, type: 'proxy_internal_error' },
  'plugin-disabled': { status: 503, type: 'proxy_internal_error' },
  'early-data-refused': { status: 425, type: 'http_request_error' },
};

/** RFC 9209 type and status for an error that ended an exchange before its response began. */
export function proxyStatusOf(error: SluiceError): ProxyStatus {
  const known = BY_CODE[error.code];
  if (known !== undefined) return known;
  if (error.code.startsWith('tls-certificate')) {
    return { status: 502, type: 'tls_certificate_error' };
  }
  if (error.code.startsWith('tls-alert')) return { status: 502, type: 'tls_alert_received' };
  if (error.code.startsWith('tls-')) return { status: 502, type: 'tls_protocol_error' };
  switch (error.blame) {
    case 'upstream':
      return { status: 502, type: 'http_protocol_error' };
    case 'downstream':
      return { status: 400, type: 'http_request_error' };
    case 'internal':
    case 'self':
      return { status: 500, type: 'proxy_internal_error' };
  }
}

/** The Proxy-Status field value: an sf-item with the error type (RFC 9209 §2). */
export function proxyStatusField(name: string, error: SluiceError): string {
  const details = error.message.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&');
  return `${name}; error=${proxyStatusOf(error).type}; details="${details}"`;
}
