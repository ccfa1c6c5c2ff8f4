/**
 * Asks the cluster about ClientHellos, within a time limit. Whatever happens to Redis, there is an
 * answer, and in doubt it is one that lets the handshake go on in 1-RTT.
 */
import type { SteadyClock } from '../base/clock.ts';
import { after, type OnFault, owned, repeated } from '../base/owned.ts';
import { bootClock } from '../native/boot-clock.ts';
import type { Report } from '../telemetry/log-event.ts';
import type { ClusterAnswer, TicketMetrics } from '../telemetry/ticket-metrics.ts';
import type { ClusterRegister, ClusterStrike } from '../tls/cluster.ts';
import { ClusterLink } from './link.ts';
import type { ClusterOptions } from './options.ts';
import { type RedisRefusal, RefusalReporter, refusalIn } from './redis-faults.ts';
import { beginStrikes, type ClockReading, strike } from './strike-keys.ts';

/**
 * Queries under way, including those for which no handshake waits any more, as when Redis hangs.
 */
export const QUESTIONS_MAX = 1_024;

/** Unanswered questions in a row after which the operator is told. */
const SILENCE_TOLD_AFTER = 8;

/**
 * Milliseconds between two looks at the clock of Redis: one that goes forward and back again in
 * between goes unnoticed.
 */
export const CLOCK_LOOK_MS = 2_000;

export interface RegisterInput {
  readonly options: ClusterOptions;
  readonly metrics: Pick<TicketMetrics, 'clusterAnswered' | 'clusterConnected'>;
  readonly report: Report;
  /** Has what fails inside of sluice. */
  readonly onFault: OnFault;
}

export class RedisRegister implements ClusterRegister, Disposable {
  readonly #input: RegisterInput;
  readonly #link: ClusterLink;
  #questions = 0;
  #unansweredInRow = 0;
  #isBeginning = false;
  /** Of the server, as it was last read, and by how much it is ahead of the machine's. */
  #clock: SteadyClock | null = null;
  #clockName = '';
  readonly #refusals: RefusalReporter;
  readonly #looks: Disposable;

  constructor(input: RegisterInput) {
    this.#input = input;
    const { metrics, report, onFault } = input;
    this.#refusals = new RefusalReporter(report, () => performance.now());
    this.#link = new ClusterLink({
      url: input.options.url,
      onUp: () => {
        metrics.clusterConnected('register', true);
        owned(this.#begin(), onFault);
      },
      onDown: () => metrics.clusterConnected('register', false),
      report,
      onFault,
    });
    this.#looks = repeated(CLOCK_LOOK_MS, () => this.#begin(), onFault);
  }

  get clock(): SteadyClock | null {
    return this.#clock;
  }

  /** What it showed when the answer was made, it shows now: by what the answer was late, it is behind. */
  #setClock({ id, nowMs }: ClockReading): void {
    const aheadMs = nowMs - bootClock.nowMs();
    this.#clock = { id, nowMs: () => bootClock.nowMs() + aheadMs };
  }

  ask(clientRandom: Uint8Array, done: (strike: ClusterStrike) => void): void {
    const { redis, runId } = this.#link;
    if (redis === null || this.#questions >= QUESTIONS_MAX) {
      this.#note('unanswered');
      done('unanswered');
      return;
    }
    let isOpen = true;
    const finish = (answer: ClusterStrike, refusal: RedisRefusal | null = null) => {
      if (!isOpen) return;
      isOpen = false;
      clearTimeout(timer);
      this.#note(refusal === null ? answer : 'error');
      if (refusal === null) this.#noteSilence(answer);
      else this.#refusals.note(this.#link.place, refusal);
      done(answer);
    };
    const { options, onFault } = this.#input;
    const timer = after(options.timeoutMs, () => finish('unanswered'), onFault);
    this.#questions++;
    strike(redis, runId, clientRandom).then(
      (reply) => {
        this.#questions--;
        if (reply.clock !== null) this.#setClock(reply.clock);
        if (reply.isLost) owned(this.#begin(), this.#input.onFault);
        finish(reply.strike);
      },
      (error: unknown) => {
        this.#questions--;
        finish('unanswered', refusalIn(error));
      },
    );
  }

  /** A failure shows in the next answers, which ask for it again. */
  async #begin(): Promise<void> {
    const { redis, runId } = this.#link;
    if (redis === null || this.#isBeginning) return;
    this.#isBeginning = true;
    try {
      const before =
        this.#clock === null ? null : { name: this.#clockName, nowMs: this.#clock.nowMs() };
      const reading = await beginStrikes(redis, runId, before);
      const isOther = this.#clockName !== '' && this.#clockName !== reading.name;
      this.#clockName = reading.name;
      this.#setClock(reading);
      if (!isOther) return;
      this.#input.report(
        'cluster: the clock of Redis was set; older tickets give no early data, and all ' +
          'early data is refused for half a minute',
      );
    } catch (error) {
      const refusal = refusalIn(error);
      if (refusal !== null) this.#refusals.note(this.#link.place, refusal);
      else this.#input.report(`cluster: the register cannot begin: ${(error as Error).message}`);
    } finally {
      this.#isBeginning = false;
    }
  }

  #note(answer: ClusterAnswer): void {
    this.#input.metrics.clusterAnswered(answer);
  }

  #noteSilence(answer: ClusterStrike): void {
    const { options, report } = this.#input;
    if (answer !== 'unanswered') {
      if (this.#unansweredInRow >= SILENCE_TOLD_AFTER)
        report('cluster: it answers in time again', { event: 'cluster-back' });
      this.#unansweredInRow = 0;
      return;
    }
    this.#unansweredInRow++;
    if (this.#unansweredInRow !== SILENCE_TOLD_AFTER) return;
    const { timeoutMs } = options;
    report(`cluster: no answer within ${timeoutMs} ms, again and again; early data is refused`, {
      level: 'warning',
      event: 'cluster-slow',
    });
  }

  [Symbol.dispose](): void {
    this.#looks[Symbol.dispose]();
    this.#link[Symbol.dispose]();
  }
}
