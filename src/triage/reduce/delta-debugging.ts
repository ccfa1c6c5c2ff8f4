/**
 * Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002):
 * of many things that together make something fail, those that are needed.
 */

/**
 * Whether it still fails with these items only; null when that cannot be told, and then they are not
 * left out. Asked once for each subset, and never for all of them.
 */
export type Fails<T> = (items: readonly T[]) => Promise<boolean | null>;

export interface Minimal<T> {
  /** They fail together, and of none it was seen to fail without. */
  readonly items: readonly T[];
  /** Those of them without which it could not be told whether it fails. */
  readonly unclear: readonly T[];
}

/**
 * A part of `items` that fails, and of which nothing can be left out on its own (1-minimal). All of
 * them together must fail; they keep their order.
 */
export async function minimalSubset<T>(items: readonly T[], fails: Fails<T>): Promise<Minimal<T>> {
  const known = new Map<string, Promise<boolean | null>>();
  const failsWith = (indices: readonly number[]) => {
    const key = indices.join();
    let answer = known.get(key);
    if (answer === undefined) {
      answer = fails(indices.map((index) => items[index]!));
      known.set(key, answer);
    }
    return answer;
  };
  if ((await failsWith([])) === true) return { items: [], unclear: [] };
  let kept = items.map((_, index) => index);
  for (let parts = 2; kept.length > 1; ) {
    const chunks = divided(kept, parts);
    const smaller = await firstThatFails(candidates(kept, chunks), failsWith);
    if (smaller !== null) {
      parts = smaller.isChunk ? 2 : Math.max(2, parts - 1);
      kept = smaller.indices;
    } else if (parts < kept.length) {
      parts = Math.min(kept.length, parts * 2);
    } else {
      break;
    }
  }
  // Each has been left out alone by now, and no question is asked again.
  const answers = await Promise.all(
    kept.map((index) => failsWith(kept.filter((other) => other !== index))),
  );
  const itemsAt = (indices: readonly number[]) => indices.map((index) => items[index]!);
  return { items: itemsAt(kept), unclear: itemsAt(kept.filter((_, i) => answers[i] === null)) };
}

interface Candidate {
  readonly indices: number[];
  /** One part alone, and not all but one. */
  readonly isChunk: boolean;
}

/** Each part alone, then all but each part. With two parts these are the same. */
function* candidates(kept: readonly number[], chunks: readonly number[][]): Generator<Candidate> {
  for (const indices of chunks) yield { indices, isChunk: true };
  if (chunks.length === 2) return;
  for (const chunk of chunks) {
    const left = new Set(chunk);
    yield { indices: kept.filter((index) => !left.has(index)), isChunk: false };
  }
}

async function firstThatFails(
  all: Iterable<Candidate>,
  failsWith: (indices: readonly number[]) => Promise<boolean | null>,
): Promise<Candidate | null> {
  for (const candidate of all) if ((await failsWith(candidate.indices)) === true) return candidate;
  return null;
}

/** In order, into so many parts of about the same length. */
function divided(indices: readonly number[], parts: number): number[][] {
  const chunks: number[][] = [];
  for (let part = 0; part < parts; part++) {
    const start = Math.floor((indices.length * part) / parts);
    const end = Math.floor((indices.length * (part + 1)) / parts);
    if (end > start) chunks.push(indices.slice(start, end));
  }
  return chunks;
}
