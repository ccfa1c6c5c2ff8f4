/**
 * The trace recorder: what each connection of a worker does in its handshake, in memory that
 * outlives the worker. It is told of bytes before the engine gets them and of calls before they are
 * made, so that a worker that dies inside one leaves behind which it was.
 *
 * Nothing secret gets in: of sealed records there is the header, of early data the length. Nothing
 * here throws, allocates per event or waits; layout and meaning are in trace-layout.ts.
 */
import { hash } from 'node:crypto';
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { requestRegionBytes } from '../telemetry/requests/request-layout.ts';
import { RequestRecorder } from '../telemetry/requests/request-recorder.ts';
import type { HandshakeRecord } from './contract.ts';
import { RecordFraming } from './record-framing.ts';
import type { HelloGuard } from './refusal/hello-guard.ts';
import {
  EVENT_HEADER_WORDS,
  eventCheck,
  SLOT_HEADER_WORDS,
  SlotFlag,
  SlotHeader,
  SlotOutcome,
  slotWord,
  TRACE_EXCEPTION_AT,
  TRACE_EXCEPTION_BYTES,
  TRACE_HEADER_WORDS,
  TRACE_IDENTITY_BYTES,
  TRACE_LAYOUT,
  TRACE_MAGIC,
  TRACE_REQUESTS_AT,
  TRACE_RESERVED_WORDS,
  TRACE_SLOT_WORDS,
  TRACE_SLOTS,
  type TraceCall,
  TraceEvent,
  TraceHeader,
  TracePart,
  TraceText,
  textCheck,
  traceRegionBytes,
} from './trace-layout.ts';

/** Longer texts are cut: the longest host name has 253 bytes. */
const TEXT_BYTES_MAX = 255;

export class TraceRecorder {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly doubles: Float64Array;
  readonly clock: Clock;
  /** The connection whose handshake is in a native call. */
  current: HandshakeTrace | null = null;
  /** Number of the connection whose handshake has ended last. */
  lastEnded = 0;
  /** Whether of early data there is the SHA-256, beside the length. */
  digestsEarlyData = false;
  /** From the end of a request's head on. */
  readonly requests: RequestRecorder;
  readonly #free = new SlotQueue();
  /** The next slot to be taken from its owner when none is free. */
  #nextTaken = 0;
  #identityRoom: Uint8Array;

  /** `region` is `traceRegionBytes` long, and what it holds of a predecessor is wiped. */
  constructor(region: Uint8Array, pid: number, clock: Clock) {
    assert(region.length >= traceRegionBytes, 'the recorder fits its memory');
    assert(region.byteOffset % 8 === 0, 'the region begins at a multiple of 8');
    const { buffer, byteOffset } = region;
    this.words = new Int32Array(buffer, byteOffset, traceRegionBytes / 4);
    this.bytes = new Uint8Array(buffer, byteOffset, traceRegionBytes);
    this.doubles = new Float64Array(buffer, byteOffset, traceRegionBytes / 8);
    this.clock = clock;
    this.requests = new RequestRecorder(
      this.bytes.subarray(TRACE_REQUESTS_AT, TRACE_REQUESTS_AT + requestRegionBytes),
    );
    this.#identityRoom = this.bytes.subarray(
      TRACE_HEADER_WORDS * 4,
      TRACE_HEADER_WORDS * 4 + TRACE_IDENTITY_BYTES,
    );
    const { words } = this;
    words.fill(0, 0, TRACE_HEADER_WORDS);
    for (let index = 0; index < TRACE_SLOTS; index++) {
      words.fill(0, slotWord(index), slotWord(index) + SLOT_HEADER_WORDS);
    }
    words[TraceHeader.layout] = TRACE_LAYOUT;
    words[TraceHeader.slots] = TRACE_SLOTS;
    words[TraceHeader.slotWords] = TRACE_SLOT_WORDS;
    words[TraceHeader.pid] = pid;
    this.doubles[TraceHeader.startedAt / 2] = clock.wallMs();
    words[TraceHeader.magic] = TRACE_MAGIC;
  }

  /** What a reader must know of this process. False when it is too long, and nothing was noted. */
  identify(text: string): boolean {
    const encoded = Buffer.from(text);
    if (encoded.length > TRACE_IDENTITY_BYTES) return false;
    this.words[TraceHeader.identityBytes] = 0;
    this.#identityRoom.set(encoded);
    this.words[TraceHeader.identityCheck] = textCheck(encoded);
    this.words[TraceHeader.identityBytes] = encoded.length;
    return true;
  }

  /**
   * The process is about to end with an exception. False when the text is too long, and nothing was
   * noted.
   */
  noteException(text: string): boolean {
    const encoded = Buffer.from(text);
    if (encoded.length > TRACE_EXCEPTION_BYTES) return false;
    this.words[TraceHeader.exceptionBytes] = 0;
    this.bytes.set(encoded, TRACE_EXCEPTION_AT);
    this.words[TraceHeader.exceptionCheck] = textCheck(encoded);
    this.words[TraceHeader.exceptionBytes] = encoded.length;
    return true;
  }

  /** The event loop turns. */
  beat(): void {
    this.words[TraceHeader.heartbeat] = (this.words[TraceHeader.heartbeat]! + 1) | 0;
  }

  /** An observer is about to run; `index` is its place in the identity's list. */
  enterObserver(index: number): void {
    if (this.current === null) this.words[TraceHeader.insideConnection] = this.lastEnded;
    else this.current.noteObserver(TraceEvent.observerEntered, index);
    this.words[TraceHeader.insideObserver] = index + 1;
  }

  leaveObserver(index: number): void {
    this.words[TraceHeader.insideObserver] = 0;
    this.current?.noteObserver(TraceEvent.observerLeft, index);
  }

  /** A hook of a plugin is about to run; returns what was noted before, for `leavePlugin`. */
  enterPlugin(index: number): number {
    const before = this.words[TraceHeader.insideObserver]!;
    this.words[TraceHeader.insideObserver] = index + 1;
    return before;
  }

  leavePlugin(before: number): void {
    this.words[TraceHeader.insideObserver] = before;
  }

  /** A connection has begun. */
  begin(role: 'server' | 'client'): HandshakeTrace {
    const number = (this.words[TraceHeader.lastConnection]! + 1) | 0 || 1;
    this.words[TraceHeader.lastConnection] = number;
    return new HandshakeTrace(this, number, role === 'client' ? SlotFlag.client : 0);
  }

  /** A slot for a connection: the one that ended longest ago, or in turn one that is in use. */
  claim(): number {
    const free = this.#free.shift();
    if (free !== -1) return free;
    const taken = this.#nextTaken;
    this.#nextTaken = (taken + 1) % TRACE_SLOTS;
    return taken;
  }

  retire(slot: number): void {
    this.#free.push(slot);
  }
}

/** Where a connection is recorded, and whose it is. */
export interface TraceWatch {
  readonly recorder: TraceRecorder;
  /** An IP address, `unix`, or '' when it is not to be known. */
  readonly peer: string;
  /** Server: what it refuses before the engine sees it; null for nothing. */
  readonly guard: HelloGuard | null;
}

export function beginTrace(watch: TraceWatch, role: 'server' | 'client'): HandshakeTrace {
  const trace = watch.recorder.begin(role);
  trace.note(TraceText.peer, watch.peer);
  return trace;
}

export function endTrace(trace: HandshakeTrace, record: HandshakeRecord): void {
  trace.note(TraceText.serverName, record.serverName);
  trace.note(TraceText.errorCode, record.errorCode);
  trace.note(TraceText.alert, record.alert);
  trace.end(record.outcome);
}

/** Slots that nobody writes any more, the oldest first; to begin with, all. */
class SlotQueue {
  readonly #slots = Int32Array.from({ length: TRACE_SLOTS }, (_, index) => index);
  #first = 0;
  #count = TRACE_SLOTS;

  /** -1 when there is none. */
  shift(): number {
    if (this.#count === 0) return -1;
    const slot = this.#slots[this.#first]!;
    this.#first = (this.#first + 1) % TRACE_SLOTS;
    this.#count--;
    return slot;
  }

  push(slot: number): void {
    if (this.#count === TRACE_SLOTS) return;
    this.#slots[(this.#first + this.#count) % TRACE_SLOTS] = slot;
    this.#count++;
  }
}

/** Shared by all: runs of one read, used up before the next. */
const framingRuns = new Int32Array(2 * 64);

/** One connection's place in the recorder. */
export class HandshakeTrace {
  readonly #recorder: TraceRecorder;
  readonly #words: Int32Array;
  readonly #number: number;
  readonly #flags: number;
  readonly #framing = new RecordFraming();
  readonly #startedAtMs: number;
  #slot = 0;
  /** Where the slot begins, and where the next event goes; in words. */
  #base = 0;
  #next = 0;
  #isEnded = false;
  #state = 0;

  constructor(recorder: TraceRecorder, number: number, flags: number) {
    this.#recorder = recorder;
    this.#words = recorder.words;
    this.#number = number;
    this.#flags = flags;
    this.#startedAtMs = recorder.clock.monotonicMs();
    this.#claim(flags, recorder.clock.wallMs());
  }

  /** Bytes that the engine is about to get. */
  received(source: Uint8Array, length: number): void {
    const count = this.#framing.split(source, length, framingRuns);
    this.#writeReceived(source, length, count);
  }

  earlyData(content: Uint8Array): void {
    if (this.#recorder.digestsEarlyData) this.#writeDigest(content);
    else this.#writeCount(TraceEvent.earlyData, content.length);
  }

  sent(length: number): void {
    if (!this.#isEnded) this.#writeCount(TraceEvent.sent, length);
  }

  /** A native call of the handshake is about to be made. */
  enter(call: TraceCall): void {
    this.#write(TraceEvent.entered, call);
    this.#recorder.current = this;
    this.mark(call);
  }

  /** It has returned, and `state` is OpenSSL's now. */
  leave(call: TraceCall, state: number): void {
    this.unmark();
    this.#recorder.current = null;
    this.#write(TraceEvent.left, call);
    if (state === this.#state) return;
    this.#state = state;
    this.#write(TraceEvent.state, state & 0xff);
  }

  /** As `enter`, for calls too frequent to be events. */
  mark(call: TraceCall): void {
    const words = this.#words;
    words[TraceHeader.insideConnection] = this.#number;
    words[TraceHeader.insideCall] = call;
  }

  unmark(): void {
    this.#words[TraceHeader.insideCall] = 0;
  }

  /** For the recorder. */
  noteObserver(type: number, index: number): void {
    this.#write(type, index);
  }

  note(kind: (typeof TraceText)[keyof typeof TraceText], text: string): void {
    if (text === '' || this.#isEnded) return;
    const encoded = Buffer.from(text.slice(0, TEXT_BYTES_MAX)).subarray(0, TEXT_BYTES_MAX);
    const at = this.#room(Math.ceil(encoded.length / 4), 0);
    if (at === -1) return;
    const start = (at + EVENT_HEADER_WORDS) * 4;
    this.#words[at + EVENT_HEADER_WORDS + Math.ceil(encoded.length / 4) - 1] = 0;
    this.#recorder.bytes.set(encoded, start);
    this.#publish(at, TraceEvent.text, kind, encoded.length);
  }

  /** The handshake has ended; the slot goes to whoever needs one, oldest first. */
  end(outcome: 'complete' | 'failed'): void {
    if (this.#isEnded) return;
    const code = SlotOutcome[outcome];
    this.#write(TraceEvent.ended, code);
    this.#words[this.#base + SlotHeader.outcome] = code;
    this.#isEnded = true;
    this.#recorder.lastEnded = this.#number;
    if (this.#isOurs) this.#recorder.retire(this.#slot);
  }

  // ------------------------------------------------------------------ writing

  get #isOurs(): boolean {
    return this.#words[this.#base + SlotHeader.connection] === this.#number;
  }

  #claim(flags: number, startedAtMs: number): void {
    const words = this.#words;
    const slot = this.#recorder.claim();
    const base = slotWord(slot);
    words[base + SlotHeader.connection] = 0;
    words[base + SlotHeader.used] = 0;
    words[base + SlotHeader.flags] = flags;
    words[base + SlotHeader.outcome] = SlotOutcome.open;
    this.#recorder.doubles[(base + SlotHeader.startedAt) / 2] = startedAtMs;
    words[base + SlotHeader.connection] = this.#number;
    this.#slot = slot;
    this.#base = base;
    this.#next = base + SLOT_HEADER_WORDS;
  }

  /** Where an event with so many words of payload goes; -1 when it does not fit any more. */
  #room(payloadWords: number, reserved: number): number {
    // Others have needed the slot: what we had noted is lost, and we go on in another one.
    if (!this.#isOurs) {
      const { clock } = this.#recorder;
      const agoMs = clock.monotonicMs() - this.#startedAtMs;
      this.#claim(this.#flags | SlotFlag.late | SlotFlag.cut, clock.wallMs() - agoMs);
    }
    const end = this.#next + EVENT_HEADER_WORDS + payloadWords;
    if (end <= this.#base + TRACE_SLOT_WORDS - reserved) return this.#next;
    this.#words[this.#base + SlotHeader.flags]! |= SlotFlag.cut;
    return -1;
  }

  #publish(at: number, type: number, argument: number, payloadBytes: number): void {
    const words = this.#words;
    const end = at + EVENT_HEADER_WORDS + ((payloadBytes + 3) >> 2);
    const elapsedMs = this.#recorder.clock.monotonicMs() - this.#startedAtMs;
    words[at] = type | (argument << 8) | (payloadBytes << 16);
    words[at + 1] = (elapsedMs * 1000) | 0;
    words[at + 2] = eventCheck(words, at, end, this.#number);
    this.#next = end;
    words[this.#base + SlotHeader.used] = end - this.#base - SLOT_HEADER_WORDS;
  }

  #write(type: number, argument: number): void {
    const at = this.#room(0, 0);
    if (at !== -1) this.#publish(at, type, argument, 0);
  }

  #writeCount(type: number, count: number): void {
    const at = this.#room(1, 0);
    if (at === -1) return;
    this.#words[at + EVENT_HEADER_WORDS] = count;
    this.#publish(at, type, 0, 4);
  }

  #writeDigest(content: Uint8Array): void {
    const digest = hash('sha256', content, 'buffer');
    const at = this.#room(1 + digest.length / 4, 0);
    if (at === -1) return;
    const payload = at + EVENT_HEADER_WORDS;
    this.#words[payload] = content.length;
    this.#recorder.bytes.set(digest, (payload + 1) * 4);
    this.#publish(at, TraceEvent.earlyData, 0, 4 + digest.length);
  }

  #writeReceived(source: Uint8Array, length: number, runs: number): void {
    const at = this.#room(2, TRACE_RESERVED_WORDS);
    if (at === -1) {
      this.#writeCount(TraceEvent.received, length);
      return;
    }
    const words = this.#words;
    const last = this.#base + TRACE_SLOT_WORDS - TRACE_RESERVED_WORDS;
    words[at + EVENT_HEADER_WORDS] = length;
    let next = at + EVENT_HEADER_WORDS + 1;
    let offset = 0;
    for (let run = 0; run < runs; run++) {
      const what = framingRuns[2 * run]!;
      const count = framingRuns[2 * run + 1]!;
      if (next >= last) break;
      if (what !== TracePart.bytes) {
        words[next++] = (count << 2) | what;
      } else {
        const kept = Math.min(count, (last - next - 1) * 4);
        next = this.#copy(source, offset, kept, next);
        if (kept < count) break;
      }
      offset += count;
    }
    // Parts that are not there are read as bytes left out for want of room.
    if (next >= last) this.#words[this.#base + SlotHeader.flags]! |= SlotFlag.cut;
    this.#publish(at, TraceEvent.received, 0, (next - at - EVENT_HEADER_WORDS) * 4);
  }

  #copy(source: Uint8Array, offset: number, count: number, at: number): number {
    const words = this.#words;
    words[at] = (count << 2) | TracePart.bytes;
    if (count === 0) return at + 1;
    const end = at + 1 + ((count + 3) >> 2);
    words[end - 1] = 0;
    const whole = offset === 0 && count === source.length;
    this.#recorder.bytes.set(
      whole ? source : source.subarray(offset, offset + count),
      (at + 1) * 4,
    );
    return end;
  }
}
