/** What became of each piece of an imported configuration: nothing of it goes without a row. */

/** Where a piece stands in the files of the other server. */
export interface SourcePlace {
  readonly file: string;
  readonly line: number;
  /** The piece on one line. */
  readonly text: string;
}

/** From good to bad: of several outcomes of one piece the worst is told. */
const OUTCOMES = ['imported', 'nothing to do', 'partly', 'left out'] as const;

type Outcome = (typeof OUTCOMES)[number];

export interface Row {
  readonly place: SourcePlace;
  readonly outcome: Outcome;
  /** What is different, or why there is nothing to do; '' for what is simply imported. */
  readonly reasons: readonly string[];
  readonly remedies: readonly string[];
  /** It was about who may do what, or about safety, and the file of ours does not do it. */
  readonly decides: boolean;
}

interface Told {
  readonly reason: string;
  readonly remedy: string;
  readonly decides?: boolean;
}

export class ImportReport {
  readonly #rows = new Map<SourcePlace, Row>();

  imported(...places: readonly SourcePlace[]): void {
    for (const place of places) this.#add(place, 'imported', { reason: '', remedy: '' });
  }

  /** sluice does so anyway, or has nothing that would need it. */
  needless(place: SourcePlace, reason: string): void {
    this.#add(place, 'nothing to do', { reason, remedy: '' });
  }

  /** Imported, with a difference. */
  partly(place: SourcePlace, told: Told): void {
    this.#add(place, 'partly', told);
  }

  leftOut(place: SourcePlace, told: Told): void {
    this.#add(place, 'left out', told);
  }

  has(place: SourcePlace): boolean {
    return this.#rows.has(place);
  }

  /** In the order in which they were read. */
  rows(): Row[] {
    return [...this.#rows.values()];
  }

  /** Keeps the order of `places`, which are all that there are. */
  sort(places: readonly SourcePlace[]): void {
    const sorted = places.filter((place) => this.#rows.has(place));
    const rows = sorted.map((place) => [place, this.#rows.get(place)!] as const);
    this.#rows.clear();
    for (const [place, row] of rows) this.#rows.set(place, row);
  }

  #add(place: SourcePlace, outcome: Outcome, { reason, remedy, decides = false }: Told): void {
    const before = this.#rows.get(place);
    const isWorse =
      before === undefined || OUTCOMES.indexOf(outcome) >= OUTCOMES.indexOf(before.outcome);
    this.#rows.set(place, {
      place,
      outcome: isWorse ? outcome : before.outcome,
      reasons: withText(before?.reasons ?? [], reason),
      remedies: withText(before?.remedies ?? [], remedy),
      decides: decides || (before?.decides ?? false),
    });
  }
}

function withText(texts: readonly string[], text: string): readonly string[] {
  return text === '' || texts.includes(text) ? texts : [...texts, text];
}

export function placeText({ file, line, text }: SourcePlace): string {
  return `${file}:${line} ${text}`;
}

/** For people: what is not as it was, then a summary. */
export function reportText(rows: readonly Row[]): string {
  let text = '';
  for (const outcome of ['left out', 'partly', 'nothing to do'] as const) {
    for (const { place, reasons, remedies, decides } of rows.filter((r) => r.outcome === outcome)) {
      const mark = decides ? `${outcome}, DECIDES ABOUT ACCESS OR SAFETY` : outcome;
      text += `${placeText(place)}\n    ${mark}${reasons.length > 0 ? `: ${reasons.join('; ')}` : ''}\n`;
      for (const remedy of remedies) text += `    → ${remedy}\n`;
    }
  }
  const count = (outcome: Outcome) => rows.filter((row) => row.outcome === outcome).length;
  const done = count('imported') + count('nothing to do') + count('partly');
  text += `${done} of ${rows.length} pieces are imported`;
  text += ` (${count('nothing to do')} of them need nothing, ${count('partly')} with a difference)`;
  text += `, ${count('left out')} are left out\n`;
  const deciding = rows.filter((row) => row.decides).length;
  if (deciding > 0) {
    text += `${deciding} decide about access or safety: look at each before this file serves anybody\n`;
  }
  return text;
}
