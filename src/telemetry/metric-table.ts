/**
 * Every metric there is: the single source of the shared-memory layout, of `/metrics`, of `/stats`
 * and of docs/reference/metrics.md.
 *
 * Long because it is a table, of one entry for each metric.
 */
import { cacheOutcomes } from './exchange-summary.ts';
import { GROUPS, SIGNATURE_SCHEMES } from './label-values.ts';

/**
 * Values that a label may take. Names that are not known in advance are added while running, up to
 * `addedMax`; after that they count as `other`, so that a peer cannot make series without end.
 */
export interface LabelDefinition {
  readonly name: string;
  readonly values: readonly string[];
  /** How many further values a worker may add. */
  readonly addedMax: number;
  /** No value but the listed ones can occur: there is no `other`. */
  readonly isClosed: boolean;
}

export interface MetricDefinition {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly LabelDefinition[];
  /** How the workers' values become one. Counters and histograms are always summed. */
  readonly merge: 'sum' | 'max';
}

function label(name: string, values: readonly string[], addedMax = 0): LabelDefinition {
  return { name, values, addedMax, isClosed: false };
}

function closed(name: string, values: readonly string[]): LabelDefinition {
  return { name, values, addedMax: 0, isClosed: true };
}

function metric(
  type: MetricDefinition['type'],
  name: string,
  help: string,
  labels: readonly LabelDefinition[] = [],
  merge: MetricDefinition['merge'] = 'sum',
): MetricDefinition {
  return { name, type, help, labels, merge };
}

/** StoreFaultCode of cache/disk/faults.ts. */
const CACHE_FAULTS = [
  'cache-disk-full',
  'cache-write-failed',
  'cache-body-damaged',
  'cache-disk-slow',
  'cache-index-failed',
];

/** Of files of certificates that have changed, and of questions to their issuers. */
export const CERTIFICATE_RELOADS = ['replaced', 'failed'] as const;
/** Of orders at certificate authorities (ACME). */
export const ACME_OUTCOMES = ['issued', 'failed'] as const;
export const OCSP_OUTCOMES = ['good', 'revoked', 'unknown', 'failed'] as const;

/** Where a change of the ticket keys came from; `failed`: a file could not be taken in. */
export const TICKET_KEY_CHANGES = ['schedule', 'file', 'cluster', 'failed'] as const;
/**
 * What the cluster's register says of a ClientHello; `error`: its Redis refuses to; `unanswered`:
 * nothing, or not in time.
 */
export const CLUSTER_ANSWERS = ['first', 'replayed', 'too-young', 'error', 'unanswered'] as const;
/** What a process asks the cluster's Redis for. */
export const CLUSTER_LINKS = ['register', 'keys'] as const;

/** Why early data is refused whatever comes, in words of docs/explanation/early-data.md. */
export const EARLY_DATA_CLOSED = [
  'policy off',
  'register too young',
  'register full',
  'register unavailable',
  'clock stepped',
  'cluster did not answer',
] as const;

/** Places in plugins where faults happen: hooks of plugin/options.ts, and what else runs of them. */
export const PLUGIN_PLACES = [
  'onRequest',
  'cacheKey',
  'onOriginRequest',
  'onOriginResponse',
  'onResponse',
  'onFinish',
  'onHandshake',
  'setup',
  'background',
] as const;
/** Of plugin/faults.ts. */
export const PLUGIN_FAULTS = [
  'threw',
  'rejected',
  'timed-out',
  'overran',
  'returned',
  'exited',
  'globals',
  'disabled',
] as const;

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'CONNECT', 'TRACE'];

/** `none` first, then every status code that HTTP allows (RFC 9110 §15). */
const STATUSES = ['none', ...Array.from({ length: 500 }, (_, i) => String(100 + i))];

const CIPHERS = [
  'none',
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_CCM_SHA256',
  'TLS_AES_128_CCM_8_SHA256',
  'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
  'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
];

/** As http2/limits.ts names them. */
const HTTP2_ABUSES = [
  'rapid-reset',
  'stream-errors',
  'settings',
  'ping',
  'priority',
  'empty-frames',
  'window-update',
  'continuation',
  'field-section-size',
  'unread-control-frames',
];

/** As http3/limits.ts names them. */
const HTTP3_ABUSES = [
  'rapid-reset',
  'stream-errors',
  'priority',
  'empty-frames',
  'control-frames',
  'unknown-streams',
  'unread-instructions',
];

/** What becomes of datagrams of QUIC that no connection is for. */
export const QUIC_ANSWERS = ['retry', 'version-negotiation', 'reset', 'refusal', 'none'] as const;
/** What is counted of the packets of a QUIC connection when it ends. */
export const QUIC_PACKETS = ['sent', 'received', 'lost'] as const;

/** RFC 9209 §2.3. */
const ORIGIN_ERRORS = [
  'dns_timeout',
  'dns_error',
  'destination_not_found',
  'destination_unavailable',
  'destination_ip_prohibited',
  'destination_ip_unroutable',
  'connection_refused',
  'connection_terminated',
  'connection_timeout',
  'connection_read_timeout',
  'connection_write_timeout',
  'connection_limit_reached',
  'tls_protocol_error',
  'tls_certificate_error',
  'tls_alert_received',
  'http_request_error',
  'http_request_denied',
  'http_response_incomplete',
  'http_response_header_section_size',
  'http_response_header_size',
  'http_response_body_size',
  'http_response_trailer_section_size',
  'http_response_trailer_size',
  'http_response_transfer_coding',
  'http_response_content_coding',
  'http_response_timeout',
  'http_upgrade_failed',
  'http_protocol_error',
  'proxy_internal_response',
  'proxy_internal_error',
  'proxy_configuration_error',
  'proxy_loop_detected',
];

/** The kinds that native/counters.ts counts; others are added when they are first seen. */
const NATIVE_KINDS = ['fd', 'ssl', 'ssl-session', 'ssl-ctx', 'mapping', 'callback'];

/**
 * What goes wrong in a handler. `exception`: `fetch` threw; `body`: the body of its response did;
 * `rejection`: a promise that nobody waited for was rejected; `uncaught`: an exception outside of
 * `fetch`; `load`: the module cannot be loaded; `memory`, `busy`: a limit; `exit`: it ended its thread;
 * `crash`: its process ended.
 */
export const HANDLER_FAULTS = [
  'exception',
  'body',
  'rejection',
  'uncaught',
  'load',
  'memory',
  'busy',
  'exit',
  'crash',
] as const;

/** Whether an address of an origin is asked, and if not, why. */
export const ORIGIN_ADDRESS_STATES = ['up', 'ejected', 'unhealthy', 'drain', 'down'] as const;

const cache = closed('cache', cacheOutcomes);
/** Names of the configuration; more than these count as `other`. */
const origin = label('origin', [], 31);
const route = label('route', [], 63);
const server = label('server', [], 127);
const listener = closed('listener', ['http', 'https']);
const version = label('version', ['TLSv1.3', 'TLSv1.2', 'none']);
const resumed = closed('resumed', ['0', '1']);
/** With room for the 25 that TLS 1.2 alone has. */
const group = label('group', GROUPS, 31);

/** As in triage/incident.ts and supervisor/faults/feature-rollback.ts. */
export const INCIDENT_KINDS = [
  'crash',
  'killed',
  'hang',
  'exit',
  'handshake-failure',
  'callback-fault',
  'wrong-number',
] as const;
/** What the supervisor consists of, where faults are concerned. */
export const SUPERVISOR_PARTS = [
  'admin',
  'certificates',
  'tickets',
  'logs',
  'faults',
  'workers',
  'handlers',
  'service',
  'other',
] as const;
export const ROLLBACK_ACTIONS = [
  'off',
  'kept',
  'undone',
  'expired',
  'forgotten',
  'helpless',
] as const;

export const metricTable = {
  requests: metric(
    'counter',
    'sluice_requests_total',
    'Requests finished, by method, final status (none: no response was sent) and cache outcome.',
    [label('method', METHODS), closed('status', STATUSES), cache],
  ),
  requestVersions: metric(
    'counter',
    'sluice_requests_by_version_total',
    'Requests finished, by HTTP version and scheme.',
    [label('version', ['1.0', '1.1', '2', '3']), closed('scheme', ['http', 'https'])],
  ),
  requestDuration: metric(
    'histogram',
    'sluice_request_duration_seconds',
    "Time from a request's first byte to its response's last, by cache outcome.",
    [cache],
  ),
  firstByte: metric(
    'histogram',
    'sluice_time_to_first_byte_seconds',
    "Time from a request's first byte to its response's first, by cache outcome.",
    [cache],
  ),
  routeRequests: metric(
    'counter',
    'sluice_route_requests_total',
    'Requests finished, by route and class of the final status (none: no response was sent).',
    [route, closed('status', ['none', '1xx', '2xx', '3xx', '4xx', '5xx'])],
  ),
  routeHits: metric(
    'counter',
    'sluice_route_cache_hits_total',
    'Requests that the cache answered (hit, stale, revalidated, collapsed), by route.',
    [route],
  ),
  routeDuration: metric(
    'histogram',
    'sluice_route_duration_seconds',
    "Time from a request's first byte to its response's last, by route.",
    [route],
  ),
  requestContentBytes: metric(
    'counter',
    'sluice_request_body_bytes_total',
    'Bytes of request bodies received.',
  ),
  responseContentBytes: metric(
    'counter',
    'sluice_response_body_bytes_total',
    'Bytes of response bodies sent.',
  ),
  requestErrors: metric(
    'counter',
    'sluice_request_errors_total',
    'Exchanges that ended with an error, by error code.',
    [label('code', [], 63)],
  ),
  connectionsOpen: metric(
    'gauge',
    'sluice_connections_open',
    'Downstream connections open now, by listener kind.',
    [listener],
  ),
  connectionsAccepted: metric(
    'counter',
    'sluice_connections_accepted_total',
    'Downstream connections accepted, by listener kind.',
    [listener],
  ),
  connectionsRefused: metric(
    'counter',
    'sluice_connections_refused_total',
    'Downstream connections closed at accept because a limit was reached, by listener kind.',
    [listener],
  ),
  messagesRefused: metric(
    'counter',
    'sluice_messages_refused_total',
    "Requests, HTTP/2 streams and connections refused because they broke HTTP's rules, by error code.",
    [label('code', [], 63)],
  ),
  http2Abuse: metric(
    'counter',
    'sluice_http2_abuse_total',
    'HTTP/2 connections ended because the client did something too often, by what it did.',
    [label('kind', HTTP2_ABUSES)],
  ),
  http3Abuse: metric(
    'counter',
    'sluice_http3_abuse_total',
    'HTTP/3 connections ended because the client did something too often, by what it did.',
    [label('kind', HTTP3_ABUSES)],
  ),
  quicDatagrams: metric(
    'counter',
    'sluice_quic_datagrams_received_total',
    'UDP datagrams that came to the ports of HTTP/3.',
  ),
  quicAnswers: metric(
    'counter',
    'sluice_quic_datagrams_unclaimed_total',
    'UDP datagrams that no QUIC connection was for and that began none, by what answered them.',
    [closed('answer', QUIC_ANSWERS)],
  ),
  quicPackets: metric(
    'counter',
    'sluice_quic_packets_total',
    'Packets of QUIC connections that have ended, by what became of them.',
    [closed('kind', QUIC_PACKETS)],
  ),
  quicMigrations: metric(
    'counter',
    'sluice_quic_migrations_total',
    'Times that the client of a QUIC connection, since ended, went on from another address.',
  ),
  handshakes: metric(
    'counter',
    'sluice_tls_handshakes_total',
    'TLS handshakes ended, by version, group, cipher suite, resumption and outcome.',
    [
      version,
      group,
      label('cipher', CIPHERS, 31),
      resumed,
      closed('outcome', ['complete', 'failed']),
    ],
  ),
  handshakeDuration: metric(
    'histogram',
    'sluice_tls_handshake_duration_seconds',
    'Time from the first byte to the end of complete handshakes, by version, resumption and group.',
    [version, resumed, group],
  ),
  handshakeSignatures: metric(
    'counter',
    'sluice_tls_handshake_signatures_total',
    'Complete TLS handshakes, by the scheme with which the server signed (none: it was resumed).',
    [label('scheme', SIGNATURE_SCHEMES, 15)],
  ),
  handshakeFailures: metric(
    'counter',
    'sluice_tls_handshake_failures_total',
    'TLS handshakes that failed, by error code.',
    [label('code', [], 63)],
  ),
  helloRetryRequests: metric(
    'counter',
    'sluice_tls_hello_retry_requests_total',
    'TLS 1.3 handshakes in which a HelloRetryRequest was sent.',
  ),
  handshakeBytes: metric(
    'counter',
    'sluice_tls_handshake_bytes_total',
    'Bytes of TLS handshakes, every flight included, by direction.',
    [closed('direction', ['received', 'sent'])],
  ),
  observerFaults: metric(
    'counter',
    'sluice_observer_faults_total',
    'Faults of handshake observers, by observer and kind: it threw, or exceeded its time.',
    [label('observer', [], 31), closed('fault', ['threw', 'overran'])],
  ),
  pluginFaults: metric(
    'counter',
    'sluice_plugin_faults_total',
    'Faults of plugins, by plugin, hook and kind.',
    [label('plugin', [], 31), closed('hook', PLUGIN_PLACES), closed('fault', PLUGIN_FAULTS)],
  ),
  callbackFaults: metric(
    'counter',
    'sluice_callback_faults_total',
    'Exceptions in callbacks of OpenSSL and libuv, by callback: faults of sluice.',
    [label('callback', [], 15)],
  ),
  observersArmed: metric(
    'gauge',
    'sluice_observer_enabled',
    'Processes in which a handshake observer is enabled.',
    [label('observer', [], 31)],
  ),
  observersCutOff: metric(
    'gauge',
    'sluice_observer_disabled',
    'Processes in which a handshake observer is disabled because of its faults.',
    [label('observer', [], 31)],
  ),
  handshakeLogLines: metric(
    'counter',
    'sluice_handshake_log_lines_total',
    'Lines for the log of handshakes: written, suppressed beyond so many a second, or dropped because ' +
      'the log could not be written fast enough.',
    [closed('fate', ['written', 'suppressed', 'dropped'])],
  ),
  certificateExpiry: metric(
    'gauge',
    'sluice_certificate_expiry_timestamp_seconds',
    'When the certificate in use ends, in seconds of Unix time, by host and kind of key.',
    [label('host', [], 63), label('key', ['RSA', 'EC', 'ED25519'])],
    'max',
  ),
  stapleExpiry: metric(
    'gauge',
    'sluice_ocsp_staple_expiry_timestamp_seconds',
    'When the revocation status that goes with the certificate ends; 0 while there is none.',
    [label('host', [], 63), label('key', ['RSA', 'EC', 'ED25519'])],
    'max',
  ),
  certificateReloads: metric(
    'counter',
    'sluice_certificate_reloads_total',
    'Changed certificate files, by whether they were reloaded.',
    [closed('outcome', CERTIFICATE_RELOADS)],
  ),
  acmeOrders: metric(
    'counter',
    'sluice_acme_orders_total',
    'Orders at certificate authorities (ACME), by outcome.',
    [closed('outcome', ACME_OUTCOMES)],
  ),
  ocspFetches: metric(
    'counter',
    'sluice_ocsp_fetches_total',
    'Requests to issuers for the status of certificates (OCSP), by answer.',
    [closed('outcome', OCSP_OUTCOMES)],
  ),
  ticketKeys: metric(
    'gauge',
    'sluice_ticket_keys',
    'Active keys of session tickets; the newest encrypts.',
  ),
  ticketKeyChanges: metric(
    'counter',
    'sluice_ticket_key_changes_total',
    'Changes of the ticket keys, by their cause; failed: a file that could not be reloaded.',
    [closed('source', TICKET_KEY_CHANGES)],
  ),
  clusterAnswers: metric(
    'counter',
    'sluice_cluster_answers_total',
    'ClientHellos with early data that were checked with the cluster, by its answer.',
    [closed('answer', CLUSTER_ANSWERS)],
  ),
  clusterConnected: metric(
    'gauge',
    'sluice_cluster_connected',
    'Processes that are connected to the Redis of the cluster, by purpose.',
    [closed('link', CLUSTER_LINKS)],
  ),
  earlyDataClosed: metric(
    'gauge',
    'sluice_early_data_refused_as_a_whole',
    '1 while early data is refused to all clients, by reason; no series while it is not.',
    [closed('reason', EARLY_DATA_CLOSED)],
  ),
  earlyDataOffered: metric(
    'counter',
    'sluice_early_data_offered_total',
    'TLS handshakes in which the client offered early data.',
  ),
  earlyDataAccepted: metric(
    'counter',
    'sluice_early_data_accepted_total',
    'TLS handshakes in which early data was accepted.',
  ),
  earlyDataRejected: metric(
    'counter',
    'sluice_early_data_rejected_total',
    'TLS handshakes in which early data was offered and not accepted, by reason.',
    [label('reason', [], 31)],
  ),
  earlyDataBytes: metric(
    'counter',
    'sluice_early_data_bytes_total',
    'Bytes of early data accepted.',
  ),
  earlyRequests: metric(
    'counter',
    'sluice_early_requests_total',
    'Requests that began in early data, by whether the response began before the handshake ended.',
    [closed('answered', ['early', 'after-handshake'])],
  ),
  originConnectionsOpen: metric(
    'gauge',
    'sluice_origin_connections_open',
    'Connections to the origin open now.',
  ),
  originConnectionsOpened: metric(
    'counter',
    'sluice_origin_connections_opened_total',
    'Connections to the origin opened.',
  ),
  originConnectionsReused: metric(
    'counter',
    'sluice_origin_connections_reused_total',
    'Exchanges that used an idle connection to the origin again.',
  ),
  originHandshakes: metric(
    'counter',
    'sluice_origin_tls_handshakes_total',
    'TLS handshakes with origins ended, by version, outcome, resumption and what became of early data.',
    [
      version,
      closed('outcome', ['complete', 'failed']),
      resumed,
      closed('early_data', ['not-offered', 'accepted', 'rejected']),
    ],
  ),
  originErrors: metric(
    'counter',
    'sluice_origin_errors_total',
    'Exchanges that the origin failed, by error type (RFC 9209).',
    [label('type', ORIGIN_ERRORS)],
  ),
  originDuration: metric(
    'histogram',
    'sluice_origin_response_seconds',
    "Time from a request to the origin to its response's head.",
  ),
  groupResponseTime: metric(
    'histogram',
    'sluice_origin_group_response_seconds',
    "Time from sending a request to the response's head, by group of origins.",
    [origin],
  ),
  originRetries: metric(
    'counter',
    'sluice_origin_retries_total',
    'Retries: requests sent to another server after one had failed, by group of origins.',
    [origin],
  ),
  originCircuitOpenings: metric(
    'counter',
    'sluice_origin_circuit_openings_total',
    'Times that a circuit breaker opened, by group of origins.',
    [origin],
  ),
  originLookupFailures: metric(
    'counter',
    'sluice_origin_lookup_failures_total',
    'Look-ups of a name of a server that failed, by group of origins.',
    [origin],
  ),
  serverRequests: metric(
    'counter',
    'sluice_origin_server_requests_total',
    'Requests sent to a server, retries included, by group and server.',
    [origin, server],
  ),
  serverResponses: metric(
    'counter',
    'sluice_origin_server_responses_total',
    'Responses of a server, by group, server and class of the status.',
    [origin, server, closed('class', ['1xx', '2xx', '3xx', '4xx', '5xx'])],
  ),
  serverFailures: metric(
    'counter',
    'sluice_origin_server_failures_total',
    'Requests that a server failed without a complete response, by group and server.',
    [origin, server],
  ),
  serverEjections: metric(
    'counter',
    'sluice_origin_server_ejections_total',
    'Times that a worker took an address of a server out of rotation because it kept failing.',
    [origin, server],
  ),
  serverResponseTime: metric(
    'counter',
    'sluice_origin_server_response_seconds_total',
    "Time from sending requests to their responses' heads, added up, by group and server.",
    [origin, server],
  ),
  serverConnections: metric(
    'gauge',
    'sluice_origin_server_connections_open',
    'Connections to a server open now, looked at once a second.',
    [origin, server],
  ),
  serverUnderWay: metric(
    'gauge',
    'sluice_origin_server_requests_under_way',
    'Requests to a server under way, looked at once a second.',
    [origin, server],
  ),
  serverAddresses: metric(
    'gauge',
    'sluice_origin_server_addresses',
    'Addresses of a server by their state, summed over the workers, looked at once a second.',
    [origin, server, closed('state', ORIGIN_ADDRESS_STATES)],
  ),
  serverFailing: metric(
    'gauge',
    'sluice_origin_server_failing',
    'Workers whose requests to a server fail now; 0 while none do. Looked at once a second.',
    [origin, server],
  ),
  cacheBytes: metric('gauge', 'sluice_cache_bytes', 'Bytes of memory held by the cache.'),
  cacheEntries: metric(
    'gauge',
    'sluice_cache_entries',
    'Stored responses held in memory by the cache.',
  ),
  cacheDiskBytes: metric(
    'gauge',
    'sluice_cache_disk_bytes',
    'Bytes on disk held by the cache, which all workers share.',
    [],
    'max',
  ),
  cacheDiskEntries: metric(
    'gauge',
    'sluice_cache_disk_entries',
    'Stored responses held on disk by the cache, which all workers share.',
    [],
    'max',
  ),
  cacheDiskKept: metric(
    'gauge',
    'sluice_cache_disk_kept_bytes',
    'Bytes on disk of segments that were removed, and that are kept for responses under way.',
  ),
  cacheEvictions: metric(
    'counter',
    'sluice_cache_evictions_total',
    'Stored responses evicted to stay within the capacity, by place.',
    [closed('tier', ['memory', 'disk'])],
  ),
  cacheFaults: metric(
    'counter',
    'sluice_cache_faults_total',
    'Faults of the cache on disk, by error code. Each was at worst a miss.',
    [label('code', CACHE_FAULTS)],
  ),
  eventLoopDelay: metric(
    'gauge',
    'sluice_event_loop_delay_seconds',
    'How late the event loop ran in the last sampling interval, the worst worker.',
    [closed('statistic', ['p50', 'p99', 'max'])],
    'max',
  ),
  residentBytes: metric(
    'gauge',
    'sluice_resident_memory_bytes',
    'Resident memory of all processes.',
  ),
  nativeBytes: metric(
    'gauge',
    'sluice_native_memory_bytes',
    'Native memory mapped by our own allocator.',
  ),
  nativeObjects: metric(
    'gauge',
    'sluice_native_objects',
    'Native objects alive, by kind: descriptors, TLS connections, mappings and so on.',
    [label('kind', NATIVE_KINDS, 15)],
  ),
  accessLogDropped: metric(
    'counter',
    'sluice_access_log_dropped_total',
    'Lines of access logs dropped because they could not be written, or not fast enough.',
  ),
  errorLogDropped: metric(
    'counter',
    'sluice_error_log_dropped_total',
    'Lines of the error log dropped because they could not be written, or not fast enough.',
  ),
  workersRunning: metric('gauge', 'sluice_workers_running', 'Workers that are serving.'),
  workerRestarts: metric(
    'counter',
    'sluice_worker_restarts_total',
    'Workers that died and were replaced, by how they died.',
    [closed('cause', ['exit', 'signal'])],
  ),
  partFaults: metric(
    'counter',
    'sluice_supervisor_faults_total',
    'Exceptions in parts of the supervisor, which kept running. Each is a fault of sluice, ' +
      'and in the error log.',
    [closed('part', SUPERVISOR_PARTS)],
  ),
  handlerFaults: metric(
    'counter',
    'sluice_handler_faults_total',
    'Faults of handlers, by handler and kind. Each kind is in the error log, with its stack.',
    [origin, closed('fault', HANDLER_FAULTS)],
  ),
  handlerRestarts: metric(
    'counter',
    'sluice_handler_restarts_total',
    'Threads and processes of handlers that ended and were restarted, by handler.',
    [origin],
  ),
  incidents: metric(
    'counter',
    'sluice_incidents_total',
    'Incidents of dead workers, failed handshakes and wrong numbers, by kind and whether they were written ' +
      'or dropped.',
    [closed('kind', INCIDENT_KINDS), closed('fate', ['written', 'left-out'])],
  ),
  autoDisableSteps: metric(
    'counter',
    'sluice_auto_disable_steps_total',
    'Steps of automatic rollback: disabled a feature (off), kept, undone, expired, ' +
      'forgotten, or found no help.',
    [closed('action', ROLLBACK_ACTIONS)],
  ),
  lost: metric(
    'counter',
    'sluice_lost_total',
    'Handshakes and requests that were open in a worker when it died: they are in no other counter. ' +
      'Of requests, those that were recorded: at most 256 for each death.',
    [closed('what', ['handshakes', 'requests'])],
  ),
  featuresDisabled: metric(
    'gauge',
    'sluice_features_disabled',
    'Features that are disabled, automatically or by an operator.',
  ),
} as const satisfies Record<string, MetricDefinition>;
