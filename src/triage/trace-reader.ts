/**
 * Reads what a trace recorder has left. Its writer may have died at any instruction, and a stray
 * write may have hit anything: whatever is there, what is whole is told and the rest is counted.
 */
import { readRequests } from '../telemetry/requests/request-reading.ts';
import { clientHelloMessage, parseClientHello } from '../tls/client-hello.ts';
import { handshakeStateName } from '../tls/handshake-states.ts';
import { ja4Of } from '../tls/ja4.ts';
import { messageDigest } from '../tls/refusal/hello-guard.ts';
import { shapeOf } from '../tls/refusal/hello-shape.ts';
import { traitsOf } from '../tls/refusal/hello-traits.ts';
import {
  EVENT_HEADER_WORDS,
  eventCheck,
  SlotFlag,
  SlotOutcome,
  TraceEvent,
  TraceHeader,
  TracePart,
  TraceText,
  textCheck,
  traceCalls,
} from '../tls/trace-layout.ts';
import { exceptionFrom } from './exception.ts';
import type {
  IncidentClientHello,
  IncidentConnection,
  IncidentEvent,
  IncidentException,
  IncidentRecord,
  IncidentRequest,
  ReceivedPart,
} from './incident.ts';
import type { SlotSnapshot, TraceSnapshot } from './trace-snapshot.ts';

export interface TraceReading {
  readonly pid: number;
  /** Wall-clock milliseconds. */
  readonly startedAtMs: number;
  readonly handshakes: number;
  readonly damagedEvents: number;
  /** What the worker was inside of; '' for nothing. */
  readonly inside: {
    /** 0 for none. */
    readonly connection: number;
    readonly call: string;
    /** Place in the list of observers; -1 for none. */
    readonly observer: number;
  };
  /** In the order in which they began. */
  readonly connections: readonly IncidentConnection[];
  /** What the process ended with; null without an exception. */
  readonly exception: IncidentException | null;
  readonly requests: {
    /** Since the worker's start. */
    readonly count: number;
    /** Of the one that was worked at last; 0 for none. */
    readonly active: number;
    /** The feature that ran for a request, by the recorder's numbers; -1 for none. */
    readonly running: number;
    readonly open: readonly IncidentRequest[];
  };
}

export interface TraceReadingOptions {
  /** By the recorder's numbers. */
  readonly observers: readonly string[];
  /** Whether addresses of peers are told. */
  readonly peers: boolean;
}

const RECORD_HEADER_BYTES = 5;
const SHA256_BYTES = 32;

/** Never throws. */
export function readTraces(snapshot: TraceSnapshot, options: TraceReadingOptions): TraceReading {
  const { header } = snapshot;
  const readings = snapshot.slots.map((slot) => new SlotReader(slot, options));
  // Numbers rise, and start again after 2^32.
  const last = header[TraceHeader.lastConnection]!;
  const age = ({ connection }: IncidentConnectionSource) => (last - connection) >>> 0;
  const inOrder = readings.sort((one, other) => age(other) - age(one));
  return {
    pid: header[TraceHeader.pid]! >>> 0,
    startedAtMs: plausibleTime(snapshot.startedAtMs),
    handshakes: last >>> 0,
    damagedEvents: readings.reduce((sum, reader) => sum + reader.damaged, 0),
    inside: {
      connection: header[TraceHeader.insideConnection]! >>> 0,
      call: traceCalls[header[TraceHeader.insideCall]!] ?? '',
      observer: header[TraceHeader.insideObserver]! - 1,
    },
    connections: inOrder.map((reader) => reader.result),
    exception: readException(snapshot),
    requests: readOpenRequests(snapshot, options),
  };
}

function readException({ header, exception }: TraceSnapshot): IncidentException | null {
  const isWhole = textCheck(exception) === header[TraceHeader.exceptionCheck];
  return isWhole ? exceptionFrom(exception) : null;
}

function readOpenRequests({ requests: region }: TraceSnapshot, { peers }: TraceReadingOptions) {
  const { active, running, count, requests } = readRequests(region);
  const open = requests.map(({ startedAtMs, peer, message, ...rest }) => ({
    ...rest,
    ...(message === null ? {} : { message }),
    peer: peers ? peer : '',
    startedAt: new Date(startedAtMs).toISOString(),
  }));
  return { active, running, count, open };
}

/** The JSON that the worker was started with; null when it is not there or not whole. */
export function readIdentity({ header, identity }: TraceSnapshot): unknown {
  if (identity.length === 0) return null;
  if (textCheck(identity) !== header[TraceHeader.identityCheck]) return null;
  try {
    return JSON.parse(Buffer.from(identity).toString('utf8'));
  } catch {
    return null;
  }
}

function plausibleTime(ms: number): number {
  return ms > 0 && ms < 1e14 ? Math.floor(ms) : 0;
}

interface IncidentConnectionSource {
  readonly connection: number;
}

class SlotReader implements IncidentConnectionSource {
  readonly connection: number;
  damaged = 0;
  readonly result: IncidentConnection;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #observers: readonly string[];
  readonly #events: IncidentEvent[] = [];
  readonly #texts = new Map<number, string>();
  /** Of what was received, from the first byte to the first one that is missing. */
  readonly #head: Uint8Array[] = [];
  #isHeadOver = false;
  readonly #walk = new RecordWalk();

  constructor(slot: SlotSnapshot, { observers, peers }: TraceReadingOptions) {
    this.connection = slot.connection;
    this.#words = slot.words;
    this.#bytes = new Uint8Array(slot.words.buffer, slot.words.byteOffset, slot.words.byteLength);
    this.#observers = observers;
    this.#readEvents();
    const text = (kind: number) => this.#texts.get(kind) ?? '';
    this.result = {
      id: slot.connection >>> 0,
      role: (slot.flags & SlotFlag.client) === 0 ? 'server' : 'client',
      peer: peers ? text(TraceText.peer) : '',
      startedAt: new Date(plausibleTime(slot.startedAtMs)).toISOString(),
      serverName: text(TraceText.serverName) || this.#askedName(),
      clientHello: this.#clientHello(),
      outcome:
        slot.outcome === SlotOutcome.complete
          ? 'complete'
          : slot.outcome === SlotOutcome.failed
            ? 'failed'
            : 'open',
      errorCode: text(TraceText.errorCode),
      alert: text(TraceText.alert),
      records: this.#walk.records,
      events: this.#events,
      isCut: (slot.flags & (SlotFlag.cut | SlotFlag.late)) !== 0 || this.damaged > 0,
    };
  }

  #readEvents(): void {
    const words = this.#words;
    let at = 0;
    while (at + EVENT_HEADER_WORDS <= words.length) {
      const payloadBytes = words[at]! >>> 16;
      const end = at + EVENT_HEADER_WORDS + ((payloadBytes + 3) >> 2);
      const isWhole =
        end <= words.length && eventCheck(words, at, end, this.connection) === words[at + 2];
      if (isWhole) {
        this.#readEvent(at, payloadBytes);
        at = end;
      } else {
        // Where the next one begins is not known: it is looked for word by word.
        this.damaged++;
        this.#isHeadOver = true;
        at = this.#nextWhole(at + 1);
      }
    }
    if (at < words.length) this.damaged++;
  }

  /** Bounded: a slot has 8,192 words, and an event's length is looked at before its content. */
  #nextWhole(from: number): number {
    const words = this.#words;
    for (let at = from; at + EVENT_HEADER_WORDS <= words.length; at++) {
      const type = words[at]! & 0xff;
      if (type === 0 || type > TraceEvent.text) continue;
      const end = at + EVENT_HEADER_WORDS + (((words[at]! >>> 16) + 3) >> 2);
      if (end > words.length) continue;
      if (eventCheck(words, at, end, this.connection) === words[at + 2]) return at;
    }
    return words.length;
  }

  #readEvent(at: number, payloadBytes: number): void {
    const words = this.#words;
    const type = words[at]! & 0xff;
    const argument = (words[at]! >>> 8) & 0xff;
    const atMs = (words[at + 1]! >>> 0) / 1000;
    const payload = (at + EVENT_HEADER_WORDS) * 4;
    const count = payloadBytes >= 4 ? words[at + EVENT_HEADER_WORDS]! >>> 0 : 0;
    switch (type) {
      case TraceEvent.received:
        this.#readReceived(atMs, payload, payloadBytes, count);
        break;
      case TraceEvent.earlyData:
        this.#events.push({
          type: 'early-data',
          atMs,
          length: count,
          ...this.#digest(at, payloadBytes),
        });
        break;
      case TraceEvent.sent:
        this.#events.push({ type: 'sent', atMs, length: count });
        break;
      case TraceEvent.state:
        this.#events.push({ type: 'state', atMs, state: handshakeStateName(argument) });
        break;
      case TraceEvent.entered:
      case TraceEvent.left: {
        const call = traceCalls[argument] || `call ${argument}`;
        this.#events.push({ type: type === TraceEvent.left ? 'left' : 'entered', atMs, call });
        break;
      }
      case TraceEvent.observerEntered:
      case TraceEvent.observerLeft: {
        const observer = this.#observers[argument] ?? `observer ${argument}`;
        const isLeft = type === TraceEvent.observerLeft;
        this.#events.push({ type: isLeft ? 'observer-left' : 'observer-entered', atMs, observer });
        break;
      }
      case TraceEvent.ended: {
        const outcome = argument === SlotOutcome.complete ? 'complete' : 'failed';
        this.#events.push({ type: 'ended', atMs, outcome });
        break;
      }
      case TraceEvent.text: {
        const text = this.#bytes.subarray(payload, payload + payloadBytes);
        this.#texts.set(argument, Buffer.from(text).toString('utf8'));
        break;
      }
      default:
        this.damaged++;
    }
  }

  #digest(at: number, payloadBytes: number): { readonly sha256?: string } {
    if (payloadBytes !== 4 + SHA256_BYTES) return {};
    const start = (at + EVENT_HEADER_WORDS + 1) * 4;
    const digest = this.#bytes.subarray(start, start + SHA256_BYTES);
    return { sha256: Buffer.from(digest).toString('hex') };
  }

  #readReceived(atMs: number, payload: number, payloadBytes: number, length: number): void {
    const parts: ReceivedPart[] = [];
    const end = payload + payloadBytes;
    let left = length;
    let at = payload + 4;
    while (at + 4 <= end && left > 0) {
      const word = this.#words[at >> 2]! >>> 0;
      const what = word & 3;
      const count = Math.min(word >>> 2, left);
      at += 4;
      left -= count;
      if (what === TracePart.bytes) {
        const kept = this.#bytes.subarray(at, Math.min(at + count, end));
        parts.push({ bytes: Buffer.from(kept).toString('base64') });
        left += count - kept.length;
        this.#keepHead(kept);
        this.#walk.take(kept);
        at += (count + 3) & ~3;
      } else {
        const why = what === TracePart.sealed ? 'sealed' : whyOf(what);
        parts.push({ omitted: count, why });
        this.#isHeadOver = true;
        this.#walk.skip(count);
      }
    }
    if (left > 0) {
      parts.push({ omitted: left, why: 'room' });
      this.#isHeadOver = true;
      this.#walk.skip(left);
    }
    this.#events.push({ type: 'received', atMs, length, parts });
  }

  #keepHead(bytes: Uint8Array): void {
    if (!this.#isHeadOver) this.#head.push(bytes);
  }

  #askedName(): string {
    return parseClientHello(Buffer.concat(this.#head))?.serverName ?? '';
  }

  #clientHello(): IncidentClientHello | null {
    const head = Buffer.concat(this.#head);
    const message = clientHelloMessage(head);
    if (message === null) return null;
    const parsed = parseClientHello(head);
    return {
      ja4: parsed === null ? '' : ja4Of(parsed),
      shape: parsed === null ? '' : shapeOf(parsed),
      traits: parsed === null ? [] : [...traitsOf(parsed)],
      sha256: messageDigest(message),
      length: message.length,
    };
  }
}

function whyOf(what: number): 'framing' | 'room' {
  return what === TracePart.framing ? 'framing' : 'room';
}

/** Finds the records in what was received; gaps are only ever inside of them, or at the end. */
class RecordWalk {
  readonly records: IncidentRecord[] = [];
  #offset = 0;
  #remaining = 0;
  readonly #header: number[] = [];
  #isLost = false;

  take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && !this.#isLost; ) {
      if (this.#remaining > 0) {
        const step = Math.min(this.#remaining, bytes.length - at);
        this.#remaining -= step;
        this.#offset += step;
        at += step;
        continue;
      }
      this.#header.push(bytes[at++]!);
      this.#offset++;
      if (this.#header.length < RECORD_HEADER_BYTES) continue;
      const [type, major, , high, low] = this.#header.splice(0) as [
        number,
        number,
        number,
        number,
        number,
      ];
      if (type < 20 || type > 24 || major !== 3) {
        this.#isLost = true;
        return;
      }
      this.#remaining = (high << 8) | low;
      const offset = this.#offset - RECORD_HEADER_BYTES;
      this.records.push({ offset, type, length: this.#remaining });
    }
  }

  skip(count: number): void {
    if (count > this.#remaining) this.#isLost = true;
    this.#offset += count;
    this.#remaining -= Math.min(count, this.#remaining);
  }
}
