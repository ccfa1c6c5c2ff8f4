/**
 * What the instances of a cluster know together about their certificates: who orders which, what was
 * ordered, what was issued, and what authorities are shown meanwhile. Texts are sealed by whoever gives
 * them: nothing here can read them.
 *
 * Whoever orders holds a lease, and says so with every look. After Redis has lost its data leases are
 * missing, too: until everyone who holds one has looked again, nobody gets another.
 */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { after, type OnFault, owned, repeated } from '../base/owned.ts';
import { ClusterLink } from './link.ts';
import type { ClusterOptions } from './options.ts';

/** Milliseconds between two looks. */
export const CERTIFICATE_LOOK_MS = 1_000;
/** How long the lease of one that died, or was cut off, keeps others from an order. */
export const ORDER_LEASE_MS = 30_000;
/** So long after Redis has begun anew nobody may order: time for several looks. */
export const YOUNG_MS = 5_000;
/** Who has not looked for so long is not waited for. */
const AWAY_MS = 5_000;
/** What an authority is shown is forgotten after so long, should nobody take it away. */
const SHOWN_MS = 600_000;
/** An order that nobody has ended is forgotten after a day: authorities keep none so long. */
const ORDER_MS = 86_400_000;
/** Certificates that are read at once. */
const READ_AT_ONCE_MAX = 100;
/** Milliseconds until an authority is asked although some instance does not show what it looks for. */
const SHOW_TIMEOUT_MS = 15_000;

const PREFIX = 'sluice:acme:';
const BEGIN = `${PREFIX}begin`;
const INSTANCES = `${PREFIX}instances`;
const CHANGES = `${PREFIX}changes`;
const CERTIFICATES = `${PREFIX}certificates`;
const CHALLENGES = `${PREFIX}challenges`;
const VERSIONS = `${PREFIX}versions`;

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/**
 * KEYS: begin, instances, changes, challenges, versions, leases. ARGV: the run of the server, who asks,
 * which challenges it shows, which certificates it has, milliseconds of a lease, of an absence.
 */
const LOOK_SCRIPT = `${NOW}
local begun = redis.call('GET', KEYS[1])
if not begun or string.sub(begun, 1, #ARGV[1] + 1) ~= ARGV[1] .. ' ' then
  begun = ARGV[1] .. ' ' .. string.format('%d', now)
  redis.call('SET', KEYS[1], begun)
end
redis.call('HSET', KEYS[2], ARGV[2], string.format('%d', now) .. ' ' .. ARGV[3])
local shown = ARGV[3] + 0
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  local at, version = string.match(all[i + 1], '^(%d+) (%d+)$')
  if not at or at + ARGV[6] < now then redis.call('HDEL', KEYS[2], all[i])
  elseif version + 0 < shown then shown = version + 0 end
end
for i = 6, #KEYS do
  local holder = redis.call('GET', KEYS[i])
  if not holder or holder == ARGV[2] then redis.call('SET', KEYS[i], ARGV[2], 'PX', ARGV[5]) end
end
local certificates = (redis.call('HGET', KEYS[5], 'certificates') or '0') + 0
local challenges = (redis.call('HGET', KEYS[5], 'challenges') or '0') + 0
local changed, answers = {}, {}
if certificates ~= ARGV[4] + 0 then
  local from = ARGV[4] + 0
  if certificates < from then from = 0 end
  changed = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. from, '+inf', 'WITHSCORES')
end
if challenges ~= ARGV[3] + 0 then
  local held = redis.call('HGETALL', KEYS[4])
  for i = 1, #held, 2 do
    local till, text = string.match(held[i + 1], '^(%d+) (.*)$')
    if not till or till + 0 < now then redis.call('HDEL', KEYS[4], held[i])
    else answers[#answers + 1] = text end
  end
end
return { begun, certificates, changed, challenges, answers, shown }
`;

/** KEYS: lease, begin. ARGV: who, milliseconds, the run of the server, how old it must be. */
const CLAIM_SCRIPT = `${NOW}
local run, since = string.match(redis.call('GET', KEYS[2]) or '', '^(%S+) (%d+)$')
if run ~= ARGV[3] or now - since < ARGV[4] + 0 then return -1 end
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`;

/** KEYS: lease. ARGV: who, milliseconds for which nobody else may have it. */
const RELEASE_SCRIPT = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] + 0 <= 0 then redis.call('DEL', KEYS[1])
else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
`;

/** KEYS: certificates, changes, versions. ARGV: which, how young, the text. The youngest stays. */
const PUBLISH_SCRIPT = `
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held and (string.match(held, '^(%d+) ') or '0') + 0 >= ARGV[2] + 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
local version = redis.call('HINCRBY', KEYS[3], 'certificates', 1)
redis.call('ZADD', KEYS[2], version, ARGV[1])
return 1
`;

/** KEYS: challenges, versions. ARGV: which, milliseconds, the text; '' takes it away. */
const SHOW_SCRIPT = `${NOW}
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], ARGV[1])
else redis.call('HSET', KEYS[1], ARGV[1], string.format('%d', now + ARGV[2]) .. ' ' .. ARGV[3]) end
return redis.call('HINCRBY', KEYS[2], 'challenges', 1)
`;

/** Whose an order is; `away`: nobody can say. */
export type OrderClaim = 'ours' | 'others' | 'away';

export interface CertificateSyncInput {
  readonly options: ClusterOptions;
  /** One was issued, by whichever instance. */
  onCertificate(id: string, text: string): void;
  /** All that authorities are shown now. Resolves when this instance shows it. */
  onChallenges(texts: readonly string[]): Promise<void>;
  /** What is there, as long as that is nothing and whenever Redis has lost some: others may be put there. */
  onIds(ids: ReadonlySet<string>): void;
  readonly onFault: OnFault;
}

/** Commands fail like the connection does: what they were for is tried again. */
export class CertificateSync implements Disposable {
  readonly #input: CertificateSyncInput;
  readonly #link: ClusterLink;
  readonly #name = randomUUID();
  readonly #held = new Set<string>();
  readonly #rounds: Disposable;
  #certificates = 0;
  #challenges = 0;
  /** Since when Redis remembers: another one when it has lost what it had. */
  #begun = '';
  /** The look that is under way. */
  #looking: Promise<unknown> | null = null;
  /** Who waits until every instance shows what it gave. */
  readonly #waiting = new Set<{ version: number; done: () => void }>();

  constructor(input: CertificateSyncInput) {
    this.#input = input;
    this.#link = new ClusterLink({
      url: input.options.url,
      onUp: () => owned(this.look(), input.onFault),
      onDown: () => {},
      // What there is to say of the connection is said by those who ask about ClientHellos.
      report: () => {},
      onFault: input.onFault,
    });
    const round = async () => {
      await this.look();
    };
    this.#rounds = repeated(CERTIFICATE_LOOK_MS, round, input.onFault);
  }

  get isUp(): boolean {
    return this.#link.redis !== null;
  }

  /** What has changed until now is told. Whether it could be asked for. */
  async look(): Promise<boolean> {
    // One that began before does not know it yet.
    while (this.#looking !== null) await this.#looking;
    const looking = this.#look();
    this.#looking = looking;
    const isDone = await looking;
    this.#looking = null;
    return isDone;
  }

  async #look(): Promise<boolean> {
    const { redis, runId } = this.#link;
    if (redis === null) return false;
    try {
      await this.#compare(redis, runId);
      return true;
    } catch {
      // The connection has gone, which its owner has heard of; or the next look will do better.
      return false;
    }
  }

  async #compare(redis: Redis, runId: string): Promise<void> {
    const leases = [...this.#held].map(leaseOf);
    const keys = [BEGIN, INSTANCES, CHANGES, CHALLENGES, VERSIONS, ...leases];
    const reply = await redis.call(
      'EVAL',
      ...[LOOK_SCRIPT, keys.length, ...keys],
      ...[runId, this.#name, this.#challenges, this.#certificates, ORDER_LEASE_MS, AWAY_MS],
    );
    const [begun, version, changed, challenges, answers, shown] = reply as [
      string,
      number,
      string[],
      number,
      string[],
      number,
    ];
    if (begun !== this.#begun) {
      // What it had may be less than what is here. The next look has all that is there.
      const isFirst = this.#begun === '';
      this.#begun = begun;
      if (!isFirst) {
        this.#certificates = 0;
        return;
      }
    }
    const isAll = this.#certificates === 0;
    for (let i = 0; i < changed.length; i += 2 * READ_AT_ONCE_MAX) {
      await this.#read(redis, changed.slice(i, i + 2 * READ_AT_ONCE_MAX));
    }
    this.#certificates = version;
    if (isAll) this.#input.onIds(new Set(changed.filter((_, i) => i % 2 === 0)));
    if (challenges !== this.#challenges) {
      await this.#input.onChallenges(answers);
      this.#challenges = challenges;
    }
    for (const one of this.#waiting) if (shown >= one.version) one.done();
  }

  async #read(redis: Redis, changed: readonly string[]): Promise<void> {
    const ids = changed.filter((_, i) => i % 2 === 0);
    const texts = (await redis.call('HMGET', CERTIFICATES, ...ids)) as (string | null)[];
    for (const [i, text] of texts.entries()) {
      if (text !== null) this.#input.onCertificate(ids[i]!, text.slice(text.indexOf(' ') + 1));
    }
  }

  /** The right to order one, which is kept until it is released. */
  async claim(id: string): Promise<OrderClaim> {
    const { redis, runId } = this.#link;
    if (redis === null) return 'away';
    const words = [this.#name, ORDER_LEASE_MS, runId, YOUNG_MS];
    try {
      const reply = await redis.call('EVAL', CLAIM_SCRIPT, 2, leaseOf(id), BEGIN, ...words);
      if (reply === 1) this.#held.add(id);
      return reply === 1 ? 'ours' : reply === 0 ? 'others' : 'away';
    } catch {
      return 'away';
    }
  }

  /** Nobody else gets it for `restMs`: so long as this instance would wait itself. */
  async release(id: string, restMs: number): Promise<void> {
    this.#held.delete(id);
    const rest = Math.max(0, Math.ceil(restMs));
    await this.#ask((redis) =>
      redis.call('EVAL', RELEASE_SCRIPT, 1, leaseOf(id), this.#name, rest),
    );
  }

  /** `age` rises with every certificate of the same names. Whether it, or a younger one, is there. */
  publish(id: string, age: number, text: string): Promise<boolean> {
    const keys = [CERTIFICATES, CHANGES, VERSIONS];
    return this.#ask((redis) => redis.call('EVAL', PUBLISH_SCRIPT, 3, ...keys, id, age, text));
  }

  /** The order that was begun by whoever held the lease; null for none. Rejects while Redis is away. */
  async order(id: string): Promise<string | null> {
    return (await this.#surely().call('GET', `${PREFIX}order:${id}`)) as string | null;
  }

  /** Rejects while Redis is away. */
  async keepOrder(id: string, text: string): Promise<void> {
    await this.#surely().call('SET', `${PREFIX}order:${id}`, text, 'PX', ORDER_MS);
  }

  async forgetOrder(id: string): Promise<void> {
    await this.#ask((redis) => redis.call('DEL', `${PREFIX}order:${id}`));
  }

  /** What all use under a name: what is there, or else `ours`. Rejects while Redis is away. */
  async agreed(name: string, ours: string): Promise<string> {
    const redis = this.#surely();
    await redis.call('SET', `${PREFIX}agreed:${name}`, ours, 'NX');
    return String(await redis.call('GET', `${PREFIX}agreed:${name}`));
  }

  /** Resolves when all instances that are there show it. Rejects while Redis is away. */
  async show(name: string, text: string): Promise<void> {
    const version = await this.#change(this.#surely(), name, text);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = after(SHOW_TIMEOUT_MS, resolve, this.#input.onFault).unref();
    const one = { version, done: resolve };
    this.#waiting.add(one);
    try {
      await this.look();
      await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(one);
    }
  }

  async hide(name: string): Promise<void> {
    await this.#ask((redis) => this.#change(redis, name, ''));
  }

  async #change(redis: Redis, name: string, text: string): Promise<number> {
    const words = [CHALLENGES, VERSIONS, name, SHOWN_MS, text];
    return (await redis.call('EVAL', SHOW_SCRIPT, 2, ...words)) as number;
  }

  #surely(): Redis {
    const { redis } = this.#link;
    if (redis === null) throw new Error('the cluster does not answer');
    return redis;
  }

  /** What may be left out: leases and challenges end by themselves. Whether it was done. */
  async #ask(body: (redis: Redis) => Promise<unknown>): Promise<boolean> {
    const { redis } = this.#link;
    try {
      if (redis === null) return false;
      await body(redis);
      return true;
    } catch {
      return false;
    }
  }

  [Symbol.dispose](): void {
    this.#rounds[Symbol.dispose]();
    this.#link[Symbol.dispose]();
    for (const { done } of this.#waiting) done();
  }
}

function leaseOf(id: string): string {
  return `${PREFIX}lease:${id}`;
}
