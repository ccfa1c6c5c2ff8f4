/**
 * Micro-benches of the cache: rules and hits, hit ratios of S3-FIFO against LRU, and the disk store
 * with many objects. Run with the pinned Node:
 *
 *     node bench/micro/cache.ts [--objects 1000000] [--directory DIR]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { StoreHit } from '../../src/cache/contract.ts';
import { DiskStore } from '../../src/cache/disk/disk-store.ts';
import { RamStore } from '../../src/cache/memory/ram-store.ts';
import { type Evictable, fnvHash, Link, noteUse, S3Fifo } from '../../src/cache/memory/s3-fifo.ts';
import { requestDirectives } from '../../src/cache/rules/cache-control.ts';
import { cacheKey } from '../../src/cache/rules/key.ts';
import { defaultCachePolicy } from '../../src/cache/rules/policy.ts';
import { decideReuse } from '../../src/cache/rules/reuse.ts';
import { selectStored } from '../../src/cache/rules/select.ts';
import { receiveResponse } from '../../src/cache/rules/stored-response.ts';
import { configuredAuthority } from '../../src/http/authority.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import type { RequestHead } from '../../src/http/message.ts';
import { storedHead } from '../../src/http2/stored-head.ts';

const { values: flags } = parseArgs({
  options: {
    objects: { type: 'string', default: '200000' },
    directory: { type: 'string' },
  },
});

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const MIB = 1_048_576;
const NOW = Date.now();

function report(name: string, value: string): void {
  process.stdout.write(`${name.padEnd(58)} ${value}\n`);
}

function nanoseconds(name: string, count: number, body: (i: number) => void): void {
  for (let i = 0; i < Math.min(count, 20_000); i++) body(i);
  const start = performance.now();
  for (let i = 0; i < count; i++) body(i);
  report(name, `${(((performance.now() - start) * 1e6) / count).toFixed(0)} ns`);
}

function requestFor(path: string): RequestHead {
  return {
    method: 'GET',
    version: '1.1',
    scheme: 'https',
    authority: configuredAuthority('www.example'),
    path,
    fields: FieldSection.of(
      ['host', 'www.example'],
      ['user-agent', 'bench'],
      ['accept-encoding', 'gzip, br'],
    ),
    contentLength: 0,
    expectContinue: false,
    upgrade: '',
  };
}

const RESPONSE_FIELDS = FieldSection.of(
  ['date', new Date(NOW).toUTCString()],
  ['content-type', 'text/html; charset=utf-8'],
  ['cache-control', 'public, max-age=3600'],
  ['etag', '"5f3a-1c2b"'],
  ['server', 'origin'],
);

function responseOf(contentLength: number) {
  const head = { status: 200, fields: RESPONSE_FIELDS, contentLength };
  return receiveResponse({
    request: requestFor('/'),
    response: head,
    requestTimeMs: NOW,
    responseTimeMs: NOW,
    policy: defaultCachePolicy,
  });
}

function fill(store: RamStore | DiskStore, key: string, content: Buffer): void {
  const writer = store.create(key, responseOf(content.length));
  writer?.write(content);
  writer?.commit(null);
}

// ------------------------------------------------------------------ rules and RAM hits

function benchHits(): void {
  for (const count of [1_000, 100_000]) {
    using store = new RamStore({ capacityBytes: 512 * MIB });
    const content = Buffer.alloc(1024);
    const requests = Array.from({ length: count }, (_, i) => requestFor(`/object/${i}`));
    for (const request of requests) fill(store, cacheKey(request), content);
    let sent = 0;
    nanoseconds(`hit in RAM, whole decision, ${count} objects`, 1_000_000, (i) => {
      const request = requests[i % count]!;
      const directives = requestDirectives(request.fields);
      const hits = store.peek(cacheKey(request));
      const hit = selectStored(hits, request.fields, defaultCachePolicy)!;
      const decision = decideReuse(directives, hit.response, NOW + 1000, defaultCachePolicy);
      if (decision.use === 'fresh') sent += hit.prepared()!.content.length;
    });
    if (sent === 0) throw new Error('nothing was a hit');
  }
}

/** What is kept beside a response that has been served, as proxy.ts and the cores keep it. */
function serve(hit: StoreHit, i: number): void {
  const prepared = hit.prepared()!;
  prepared.ageSeconds = 1;
  prepared.fields = hit.response.fields.clone();
  prepared.fields.append('via', '1.1 sluice');
  prepared.fields.append('cache-status', `sluice; hit; ttl=${i}`);
  storedHead(prepared);
  const text = [...prepared.fields].map(([name, value]) => `${name}: ${value}\r\n`).join('');
  prepared.http1Head = Buffer.allocUnsafeSlow(text.length + 40);
}

function benchMemory(): void {
  collect();
  const before = process.memoryUsage();
  using store = new RamStore({ capacityBytes: 1024 * MIB });
  const count = 50_000;
  for (let i = 0; i < count; i++)
    fill(store, `https://www.example/object/${i}`, Buffer.alloc(1024));
  collect();
  const after = process.memoryUsage();
  const measured = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
  const estimated = store.bytesUsed / count;
  report('memory of a 1 KiB response: estimated', `${estimated.toFixed(0)} bytes`);
  report('memory of a 1 KiB response: measured', `${(measured / count).toFixed(0)} bytes`);
  for (let i = 0; i < count; i++) serve(store.peek(`https://www.example/object/${i}`)[0]!, i);
  collect();
  const served = process.memoryUsage();
  const more = served.heapUsed + served.arrayBuffers - before.heapUsed - before.arrayBuffers;
  const counted = store.bytesUsed / count;
  report('served over HTTP/1.1 and HTTP/2: estimated', `${counted.toFixed(0)} bytes`);
  report('served over HTTP/1.1 and HTTP/2: measured', `${(more / count).toFixed(0)} bytes`);
}

// ------------------------------------------------------------------ hit ratios

class Thing implements Evictable {
  readonly receivedMs = 0;
  readonly pinnedUntilMs = 0;
  bytes = 1;
  readonly nameHash: number;
  readonly link = new Link();
  readonly name: number;

  constructor(name: number) {
    this.name = name;
    this.nameHash = fnvHash(String(name));
  }
}

function s3FifoHits(trace: Uint32Array, capacity: number): number {
  const present = new Map<number, Thing>();
  const queue = new S3Fifo<Thing>(capacity, capacity, (thing) => present.delete(thing.name));
  let hits = 0;
  for (const name of trace) {
    const thing = present.get(name);
    if (thing !== undefined) {
      noteUse(thing);
      hits++;
      continue;
    }
    queue.makeRoom(1, 0);
    const added = new Thing(name);
    queue.add(added);
    present.set(name, added);
  }
  return hits;
}

function lruHits(trace: Uint32Array, capacity: number): number {
  const present = new Map<number, true>();
  let hits = 0;
  for (const name of trace) {
    if (present.delete(name)) hits++;
    else if (present.size === capacity) present.delete(present.keys().next().value!);
    present.set(name, true);
  }
  return hits;
}

/** A repeatable random number generator (mulberry32). */
function randomFrom(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Requests for `objects` things by Zipf's law; with `scan`, every fourth is one never seen again. */
function zipfTrace(length: number, objects: number, exponent: number, scan: boolean): Uint32Array {
  const cumulative = new Float64Array(objects);
  let sum = 0;
  for (let i = 0; i < objects; i++) {
    sum += 1 / (i + 1) ** exponent;
    cumulative[i] = sum;
  }
  const random = randomFrom(42);
  const trace = new Uint32Array(length);
  for (let i = 0; i < length; i++) {
    if (scan && i % 4 === 0) {
      trace[i] = objects + i;
      continue;
    }
    const wanted = random() * sum;
    let [low, high] = [0, objects - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (cumulative[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    trace[i] = low;
  }
  return trace;
}

function benchHitRatios(): void {
  const percent = (hits: number, trace: Uint32Array) =>
    `${((100 * hits) / trace.length).toFixed(1)} %`;
  for (const scan of [false, true]) {
    const trace = zipfTrace(1_000_000, 100_000, 0.9, scan);
    for (const capacity of [1_000, 10_000]) {
      const name = `Zipf 0.9${scan ? ' with a scan' : ''}, room for ${capacity / 1000} %`;
      const [s3, lru] = [s3FifoHits(trace, capacity), lruHits(trace, capacity)];
      report(name, `S3-FIFO ${percent(s3, trace)}, LRU ${percent(lru, trace)}`);
    }
  }
}

// ------------------------------------------------------------------ disk

function lookup(store: DiskStore, key: string): Promise<readonly StoreHit[]> {
  return new Promise((resolve) => store.lookup(key, resolve));
}

async function benchDisk(objects: number): Promise<void> {
  const directory = flags.directory ?? mkdtempSync(join(tmpdir(), 'cache-bench-'));
  const options = { directory, capacityBytes: 8192 * MIB, memoryBytes: 16 * MIB };
  const keyOf = (i: number) => `https://www.example/object/${i}`;
  const content = Buffer.alloc(1024, 'x');
  let store = DiskStore.open(options);
  const random = randomFrom(7);
  try {
    let start = performance.now();
    for (let i = 0; i < objects; i++) {
      fill(store, keyOf(i), content);
      if (i % 2000 === 0) await store.flushed();
    }
    await store.flushed();
    const seconds = (performance.now() - start) / 1000;
    report(`disk: fill ${objects} objects of 1 KiB`, `${(objects / seconds).toFixed(0)} /s`);
    await store.close();
    start = performance.now();
    store = DiskStore.open(options);
    const [first] = await lookup(store, keyOf(objects - 1));
    report(
      `disk: open with ${store.entryCount} objects and answer the first`,
      `${(performance.now() - start).toFixed(0)} ms${first === undefined ? ' (a miss)' : ''}`,
    );
    const reads = 100_000;
    start = performance.now();
    let found = 0;
    for (let i = 0; i < reads; i++) {
      const hits = await lookup(store, keyOf(Math.floor(random() * objects)));
      found += hits.length;
    }
    const each = ((performance.now() - start) * 1000) / reads;
    report(`disk: hit in the page cache (${found} of ${reads} found)`, `${each.toFixed(1)} us`);
    await benchCold(store, () => keyOf(Math.floor(random() * objects)));
    await benchPages(store);
    await benchLarge(store);
  } finally {
    await store.close();
    if (flags.directory === undefined) rmSync(directory, { recursive: true, force: true });
  }
}

/** Forgets what the kernel has in memory, which only root may ask for. */
function dropPageCache(): boolean {
  try {
    writeFileSync('/proc/sys/vm/drop_caches', '3');
    return true;
  } catch {
    return false;
  }
}

async function benchCold(store: DiskStore, key: () => string): Promise<void> {
  if (!dropPageCache()) {
    report('disk: hit on the device', 'not measured: only root may empty the page cache');
    return;
  }
  const reads = 2_000;
  const before = store.files.threadReads;
  const start = performance.now();
  for (let i = 0; i < reads; i++) await lookup(store, key());
  const each = ((performance.now() - start) * 1000) / reads;
  const cold = store.files.threadReads - before;
  report(`disk: hit on the device (${cold} of ${reads} reads waited)`, `${each.toFixed(1)} us`);
}

/** Content of a usual length, as fast as it can be taken. */
async function benchPages(store: DiskStore): Promise<void> {
  const content = Buffer.alloc(65_536, 'z');
  const count = 4_000;
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    fill(store, `https://www.example/page/${i}`, content);
    if (i % 200 === 0) await store.flushed();
  }
  await store.flushed();
  const seconds = (performance.now() - start) / 1000;
  const rate = (count * content.length) / MIB / seconds;
  report('disk: fill with objects of 64 KiB', `${rate.toFixed(0)} MiB/s`);
}

async function benchLarge(store: DiskStore): Promise<void> {
  const content = Buffer.alloc(64 * MIB, 'y');
  const writer = store.create('https://www.example/large', responseOf(content.length))!;
  let start = performance.now();
  for (let at = 0; at < content.length; at += 65_536) {
    if (writer.write(content.subarray(at, at + 65_536))) continue;
    await new Promise<void>((resolve) => writer.whenDrained(resolve));
  }
  writer.commit(null);
  await store.flushed();
  const rate = () =>
    `${((content.length / MIB / (performance.now() - start)) * 1000).toFixed(0)} MiB/s`;
  report('disk: store 64 MiB', rate());
  const [hit] = await lookup(store, 'https://www.example/large');
  start = performance.now();
  let bytes = 0;
  await new Promise<void>((resolve, reject) => {
    hit!.open().read(0, {
      onBytes(part) {
        bytes += part.length;
        return true;
      },
      onEnd: (error) => (error === null ? resolve() : reject(error)),
    });
  });
  report(`disk: read ${bytes / MIB} MiB from the page cache, checked`, rate());
}

benchMemory();
benchHits();
benchHitRatios();
await benchDisk(Number(flags.objects));
