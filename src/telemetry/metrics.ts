/**
 * One process's metrics, written into its region of the shared memory. The region has one writer at
 * a time, so increments are plain additions; whoever reads may see a sum a moment old, never a torn
 * one (aligned 64-bit stores). A process that dies leaves its counts, and its successor goes on.
 */
import { assert } from '../base/assert.ts';
import { CertificateMetrics } from './certificate-metrics.ts';
import type { ExchangeSummary } from './exchange-summary.ts';
import { HandlerMetrics } from './handler-metrics.ts';
import { LabelIndex } from './label-index.ts';
import {
  HISTOGRAM_SLOTS,
  histogramBucket,
  type MetricLayout,
  metricLayouts,
  metricsRegionBytes,
  regionSlotCount,
} from './metric-layout.ts';
import {
  EARLY_DATA_CLOSED,
  INCIDENT_KINDS,
  PLUGIN_FAULTS,
  PLUGIN_PLACES,
  QUIC_ANSWERS,
  QUIC_PACKETS,
  ROLLBACK_ACTIONS,
  SUPERVISOR_PARTS,
} from './metric-table.ts';
import { OriginMetrics } from './origin-metrics.ts';
import { RouteMetrics } from './route-metrics.ts';
import { TicketMetrics } from './ticket-metrics.ts';

/** The facts of a handshake that are counted. `HandshakeRecord` of tls/contract.ts has them. */
export interface HandshakeFacts {
  readonly outcome: 'complete' | 'failed';
  readonly version: string;
  readonly cipher: string;
  readonly group: string;
  readonly resumed: boolean;
  readonly earlyData: 'not-offered' | 'accepted' | 'rejected';
  readonly earlyDataReason: string;
  readonly earlyDataBytes: number;
  readonly helloRetryRequest: boolean;
  /** Scheme with which the server signed, or ''. */
  readonly signature: string;
  readonly durationMs: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly errorCode: string;
}

export type ListenerKind = 'http' | 'https';

const at = metricLayouts;

export class Metrics {
  readonly #slots: Float64Array;
  readonly #method: LabelIndex;
  readonly #requestCache: LabelIndex;
  readonly #httpVersion: LabelIndex;
  readonly #requestError: LabelIndex;
  readonly #refused: LabelIndex;
  readonly #http2Abuse: LabelIndex;
  readonly #http3Abuse: LabelIndex;
  readonly #tlsVersion: LabelIndex;
  readonly #group: LabelIndex;
  readonly #durationGroup: LabelIndex;
  readonly #signature: LabelIndex;
  readonly #cipher: LabelIndex;
  readonly #handshakeError: LabelIndex;
  readonly #earlyDataReason: LabelIndex;
  readonly #originTlsVersion: LabelIndex;
  readonly #originError: LabelIndex;
  readonly #faultyObserver: LabelIndex;
  readonly #faultyPlugin: LabelIndex;
  readonly #faultyCallback: LabelIndex;
  readonly #enabledObserver: LabelIndex;
  readonly #cutOffObserver: LabelIndex;
  readonly #cacheFault: LabelIndex;
  readonly #nativeKind: LabelIndex;
  /** What is counted of each origin. */
  readonly origins: OriginMetrics;
  readonly routes: RouteMetrics;
  readonly certificates: CertificateMetrics;
  readonly tickets: TicketMetrics;
  readonly handlers: HandlerMetrics;

  /**
   * Takes a region over, with what its last writer counted. Gauges describe a process that lives:
   * they begin at zero.
   */
  constructor(region: Uint8Array) {
    assert(region.length === metricsRegionBytes, 'a metrics region has a fixed length');
    this.#slots = new Float64Array(region.buffer, region.byteOffset, regionSlotCount);
    const index = (layout: MetricLayout, position: number) =>
      new LabelIndex(region, layout.labels[position]!);
    this.#method = index(at.requests, 0);
    this.#requestCache = index(at.requests, 2);
    this.#httpVersion = index(at.requestVersions, 0);
    this.#requestError = index(at.requestErrors, 0);
    this.#refused = index(at.messagesRefused, 0);
    this.#http2Abuse = index(at.http2Abuse, 0);
    this.#http3Abuse = index(at.http3Abuse, 0);
    this.#tlsVersion = index(at.handshakes, 0);
    this.#group = index(at.handshakes, 1);
    this.#durationGroup = index(at.handshakeDuration, 2);
    this.#signature = index(at.handshakeSignatures, 0);
    this.#cipher = index(at.handshakes, 2);
    this.#handshakeError = index(at.handshakeFailures, 0);
    this.#earlyDataReason = index(at.earlyDataRejected, 0);
    this.#originTlsVersion = index(at.originHandshakes, 0);
    this.#originError = index(at.originErrors, 0);
    this.#faultyObserver = index(at.observerFaults, 0);
    this.#faultyPlugin = index(at.pluginFaults, 0);
    this.#faultyCallback = index(at.callbackFaults, 0);
    this.#enabledObserver = index(at.observersArmed, 0);
    this.#cutOffObserver = index(at.observersCutOff, 0);
    this.#cacheFault = index(at.cacheFaults, 0);
    this.#nativeKind = index(at.nativeObjects, 0);
    this.origins = new OriginMetrics(region, this.#slots);
    this.routes = new RouteMetrics(region, this.#slots);
    this.handlers = new HandlerMetrics(region, this.#slots);
    this.certificates = new CertificateMetrics(region, this.#slots);
    this.tickets = new TicketMetrics(region, this.#slots);
    for (const layout of Object.values<MetricLayout>(at)) {
      if (layout.definition.type !== 'gauge') continue;
      this.#slots.fill(0, layout.firstSlot, layout.firstSlot + layout.slotCount);
    }
  }

  /** Memory of its own, for tests and tools: nobody else sees the counts. */
  static unshared(): Metrics {
    return new Metrics(new Uint8Array(metricsRegionBytes));
  }

  // ------------------------------------------------------------------ requests

  /** Counts a finished exchange. Called once for each, from `finish`. */
  exchangeFinished(summary: ExchangeSummary): void {
    const cacheIndex = this.#requestCache.offsetOf(summary.cache);
    const status = summary.status >= 100 && summary.status <= 599 ? summary.status - 99 : 0;
    this.#add(
      at.requests.firstSlot +
        this.#method.offsetOf(summary.method) +
        status * at.requests.labels[1]!.stride +
        cacheIndex,
      1,
    );
    const scheme = summary.scheme === 'https' ? at.requestVersions.labels[1]!.stride : 0;
    this.#add(
      at.requestVersions.firstSlot + this.#httpVersion.offsetOf(summary.version) + scheme,
      1,
    );
    this.#observe(at.requestDuration.firstSlot + cacheIndex * HISTOGRAM_SLOTS, summary.durationMs);
    if (summary.firstByteMs >= 0) {
      this.#observe(at.firstByte.firstSlot + cacheIndex * HISTOGRAM_SLOTS, summary.firstByteMs);
    }
    this.#add(at.requestContentBytes.firstSlot, summary.requestBytes);
    this.#add(at.responseContentBytes.firstSlot, summary.responseBytes);
    if (summary.earlyData !== 'no') {
      this.#add(at.earlyRequests.firstSlot + (summary.earlyData === 'answered-early' ? 0 : 1), 1);
    }
    if (summary.originMs >= 0) this.#observe(at.originDuration.firstSlot, summary.originMs);
    if (summary.errorCode !== '') {
      this.#add(at.requestErrors.firstSlot + this.#requestError.offsetOf(summary.errorCode), 1);
    }
  }

  // ------------------------------------------------------------------ connections

  connectionAccepted(kind: ListenerKind): void {
    const offset = kind === 'http' ? 0 : 1;
    this.#add(at.connectionsAccepted.firstSlot + offset, 1);
    this.#add(at.connectionsOpen.firstSlot + offset, 1);
  }

  connectionClosed(kind: ListenerKind): void {
    this.#add(at.connectionsOpen.firstSlot + (kind === 'http' ? 0 : 1), -1);
  }

  /** Closed at accept because a limit was reached; neither accepted nor open. */
  connectionRefused(kind: ListenerKind): void {
    this.#add(at.connectionsRefused.firstSlot + (kind === 'http' ? 0 : 1), 1);
  }

  /** A message that broke a rule of HTTP was refused; `code` is that of the error. */
  messageRefused(code: string): void {
    this.#add(at.messagesRefused.firstSlot + this.#refused.offsetOf(code), 1);
  }

  /** An HTTP/2 client did something too often, or too much of it. */
  http2Abused(kind: string): void {
    this.#add(at.http2Abuse.firstSlot + this.#http2Abuse.offsetOf(kind), 1);
  }

  /** The same of an HTTP/3 client. */
  http3Abused(kind: string): void {
    this.#add(at.http3Abuse.firstSlot + this.#http3Abuse.offsetOf(kind), 1);
  }

  quicDatagramsReceived(count: number): void {
    this.#add(at.quicDatagrams.firstSlot, count);
  }

  /** Of datagrams that no connection was for. */
  quicAnswered(answer: (typeof QUIC_ANSWERS)[number], count: number): void {
    this.#add(at.quicAnswers.firstSlot + QUIC_ANSWERS.indexOf(answer), count);
  }

  /** A QUIC connection has ended. */
  quicEnded(packets: Record<(typeof QUIC_PACKETS)[number], number>, migrations: number): void {
    QUIC_PACKETS.forEach((kind, i) => {
      this.#add(at.quicPackets.firstSlot + i, packets[kind]);
    });
    this.#add(at.quicMigrations.firstSlot, migrations);
  }

  handshakeEnded(facts: HandshakeFacts): void {
    const version = facts.version === '' ? 'none' : facts.version;
    const group = facts.group === '' ? 'none' : facts.group;
    const resumed = facts.resumed ? 1 : 0;
    const { labels } = at.handshakes;
    this.#add(
      at.handshakes.firstSlot +
        this.#tlsVersion.offsetOf(version) +
        this.#group.offsetOf(group) +
        this.#cipher.offsetOf(facts.cipher === '' ? 'none' : facts.cipher) +
        resumed * labels[3]!.stride +
        (facts.outcome === 'complete' ? 0 : 1) * labels[4]!.stride,
      1,
    );
    if (facts.outcome === 'complete') this.#handshakeComplete(facts, version, group);
    else
      this.#add(at.handshakeFailures.firstSlot + this.#handshakeError.offsetOf(facts.errorCode), 1);
    if (facts.helloRetryRequest) this.#add(at.helloRetryRequests.firstSlot, 1);
    this.#add(at.handshakeBytes.firstSlot, facts.bytesReceived);
    this.#add(at.handshakeBytes.firstSlot + 1, facts.bytesSent);
    this.#earlyData(facts);
  }

  #handshakeComplete(facts: HandshakeFacts, version: string, group: string): void {
    const { firstSlot, labels } = at.handshakeDuration;
    const versionIndex = this.#tlsVersion.offsetOf(version) / at.handshakes.labels[0]!.stride;
    this.#observe(
      firstSlot +
        versionIndex * labels[0]!.stride +
        (facts.resumed ? labels[1]!.stride : 0) +
        this.#durationGroup.offsetOf(group),
      facts.durationMs,
    );
    const scheme = facts.signature === '' ? 'none' : facts.signature;
    this.#add(at.handshakeSignatures.firstSlot + this.#signature.offsetOf(scheme), 1);
  }

  handshakeLogged(fate: 'written' | 'suppressed' | 'dropped', lines: number): void {
    const offset = fate === 'written' ? 0 : fate === 'suppressed' ? 1 : 2;
    this.#add(at.handshakeLogLines.firstSlot + offset, lines);
  }

  /** An observer of handshakes threw, or took too long. */
  observerFailed(name: string, fault: 'threw' | 'overran'): void {
    const layout = at.observerFaults;
    const faultOffset = (fault === 'threw' ? 0 : 1) * layout.labels[1]!.stride;
    this.#add(layout.firstSlot + this.#faultyObserver.offsetOf(name) + faultOffset, 1);
  }

  /** A plugin has made a fault. */
  pluginFailed(
    plugin: string,
    place: (typeof PLUGIN_PLACES)[number],
    fault: (typeof PLUGIN_FAULTS)[number],
  ): void {
    const { firstSlot, labels } = at.pluginFaults;
    const placeOffset = PLUGIN_PLACES.indexOf(place) * labels[1]!.stride;
    const faultOffset = PLUGIN_FAULTS.indexOf(fault) * labels[2]!.stride;
    this.#add(firstSlot + this.#faultyPlugin.offsetOf(plugin) + placeOffset + faultOffset, 1);
  }

  /** A callback of native code threw. */
  callbacksFailed(name: string, count: number): void {
    this.#add(at.callbackFaults.firstSlot + this.#faultyCallback.offsetOf(name), count);
  }

  /** Whether an observer of handshakes is called in this process, was cut off, or is not wanted. */
  observerIs(name: string, state: 'armed' | 'cut-off' | 'off'): void {
    const armed = at.observersArmed.firstSlot + this.#enabledObserver.offsetOf(name);
    this.#slots[armed] = state === 'armed' ? 1 : 0;
    const cutOff = at.observersCutOff.firstSlot + this.#cutOffObserver.offsetOf(name);
    this.#slots[cutOff] = state === 'cut-off' ? 1 : 0;
  }

  #earlyData(facts: HandshakeFacts): void {
    if (facts.earlyData === 'not-offered') return;
    this.#add(at.earlyDataOffered.firstSlot, 1);
    if (facts.earlyData === 'accepted') {
      this.#add(at.earlyDataAccepted.firstSlot, 1);
      this.#add(at.earlyDataBytes.firstSlot, facts.earlyDataBytes);
      return;
    }
    const reason = this.#earlyDataReason.offsetOf(facts.earlyDataReason);
    this.#add(at.earlyDataRejected.firstSlot + reason, 1);
  }

  // ------------------------------------------------------------------ origin and cache

  originConnectionOpened(): void {
    this.#add(at.originConnectionsOpened.firstSlot, 1);
    this.#add(at.originConnectionsOpen.firstSlot, 1);
  }

  originConnectionClosed(): void {
    this.#add(at.originConnectionsOpen.firstSlot, -1);
  }

  originConnectionReused(): void {
    this.#add(at.originConnectionsReused.firstSlot, 1);
  }

  originHandshakeEnded(facts: HandshakeFacts): void {
    const [, outcome, resumed] = at.originHandshakes.labels;
    const early = ['not-offered', 'accepted', 'rejected'].indexOf(facts.earlyData);
    this.#add(
      at.originHandshakes.firstSlot +
        this.#originTlsVersion.offsetOf(facts.version === '' ? 'none' : facts.version) +
        (facts.outcome === 'complete' ? 0 : outcome!.stride) +
        (facts.resumed ? resumed!.stride : 0) +
        early,
      1,
    );
  }

  /** `type` is the error type of RFC 9209 §2.3. */
  originFailed(type: string): void {
    this.#add(at.originErrors.firstSlot + this.#originError.offsetOf(type), 1);
  }

  cacheHolds(bytes: number, entries: number): void {
    this.#slots[at.cacheBytes.firstSlot] = bytes;
    this.#slots[at.cacheEntries.firstSlot] = entries;
  }

  /** As one worker sees it; all see the same disk. */
  cacheDiskHolds(bytes: number, entries: number): void {
    this.#slots[at.cacheDiskBytes.firstSlot] = bytes;
    this.#slots[at.cacheDiskEntries.firstSlot] = entries;
  }

  /** Segments that were removed, and that this worker keeps for those who read them. */
  cacheDiskKeeps(bytes: number): void {
    this.#slots[at.cacheDiskKept.firstSlot] = bytes;
  }

  cacheEvicted(tier: 'memory' | 'disk', count: number): void {
    this.#add(at.cacheEvictions.firstSlot + (tier === 'memory' ? 0 : 1), count);
  }

  /** `code` is a StoreFaultCode of cache/disk/faults.ts. */
  cacheFailed(code: string): void {
    this.#add(at.cacheFaults.firstSlot + this.#cacheFault.offsetOf(code), 1);
  }

  // ------------------------------------------------------------------ the process

  eventLoopDelayed(p50Ms: number, p99Ms: number, maxMs: number): void {
    const slot = at.eventLoopDelay.firstSlot;
    this.#slots[slot] = p50Ms / 1000;
    this.#slots[slot + 1] = p99Ms / 1000;
    this.#slots[slot + 2] = maxMs / 1000;
  }

  memoryHeld(residentBytes: number, nativeBytes: number): void {
    this.#slots[at.residentBytes.firstSlot] = residentBytes;
    this.#slots[at.nativeBytes.firstSlot] = nativeBytes;
  }

  /** How many native objects of a kind are alive. */
  nativeObjectsHeld(kind: string, count: number): void {
    this.#slots[at.nativeObjects.firstSlot + this.#nativeKind.offsetOf(kind)] = count;
  }

  accessLogDropped(lines: number): void {
    this.#add(at.accessLogDropped.firstSlot, lines);
  }

  errorLogDropped(lines: number): void {
    this.#add(at.errorLogDropped.firstSlot, lines);
  }

  /** '' when early data is not refused to everybody. */
  earlyDataClosed(refusal: (typeof EARLY_DATA_CLOSED)[number] | ''): void {
    for (const [offset, reason] of EARLY_DATA_CLOSED.entries()) {
      this.#slots[at.earlyDataClosed.firstSlot + offset] = reason === refusal ? 1 : 0;
    }
  }

  workersRunning(count: number): void {
    this.#slots[at.workersRunning.firstSlot] = count;
  }

  workerRestarted(cause: 'exit' | 'signal'): void {
    this.#add(at.workerRestarts.firstSlot + (cause === 'exit' ? 0 : 1), 1);
  }

  partFailed(part: (typeof SUPERVISOR_PARTS)[number]): void {
    this.#add(at.partFaults.firstSlot + SUPERVISOR_PARTS.indexOf(part), 1);
  }

  incidentMade(kind: (typeof INCIDENT_KINDS)[number], isWritten: boolean): void {
    const { firstSlot } = at.incidents;
    this.#add(firstSlot + 2 * INCIDENT_KINDS.indexOf(kind) + (isWritten ? 0 : 1), 1);
  }

  /** A worker has died, and with it what it had not finished. */
  workLost(handshakes: number, requests: number): void {
    this.#add(at.lost.firstSlot, handshakes);
    this.#add(at.lost.firstSlot + 1, requests);
  }

  rollbackStepped(action: (typeof ROLLBACK_ACTIONS)[number]): void {
    this.#add(at.autoDisableSteps.firstSlot + ROLLBACK_ACTIONS.indexOf(action), 1);
  }

  featuresDisabled(count: number): void {
    this.#slots[at.featuresDisabled.firstSlot] = count;
  }

  #add(slot: number, amount: number): void {
    this.#slots[slot]! += amount;
  }

  #observe(firstSlot: number, milliseconds: number): void {
    this.#slots[firstSlot + histogramBucket(milliseconds)]! += 1;
    this.#slots[firstSlot + HISTOGRAM_SLOTS - 1]! += milliseconds / 1000;
  }
}
