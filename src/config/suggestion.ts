/** The known word nearest to a mistyped one, or undefined when none is near. */
export function nearestWord(word: string, known: readonly string[]): string | undefined {
  return misspelt(word, known) ?? otherForm(word, known);
}

/** Letters of an ending that make another form of a word: `retry` and `retries`. */
const ENDING_LENGTH_MAX = 3;
const STEM_LENGTH_MIN = 4;

/** The one word that differs only in its ending, or says more. */
function otherForm(word: string, known: readonly string[]): string | undefined {
  const stem = word.toLowerCase().slice(0, -1);
  if (stem.length < STEM_LENGTH_MIN) return undefined;
  const [form, another] = known.filter(
    (one) =>
      one.startsWith(`${word.toLowerCase()}-`) ||
      (one.startsWith(stem) && one.length <= stem.length + ENDING_LENGTH_MAX),
  );
  return another === undefined ? form : undefined;
}

function misspelt(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  // Up to a third of the letters wrong is a slip; more is another word.
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate);
    if (distance >= bestDistance) continue;
    best = candidate;
    bestDistance = distance;
  }
  return best;
}

/** Letters to insert, remove, replace, or swap with their neighbour. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let distance = Math.min(previous[j]! + 1, current[j - 1]! + 1, replaced);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        distance = Math.min(distance, beforePrevious[j - 2]! + 1);
      }
      current.push(distance);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length]!;
}
