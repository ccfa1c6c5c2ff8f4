/** The page's elements. What is shown becomes text, never markup. */

/** Throws when the page has none of the name. */
export function at(id: string): HTMLElement {
  return elementAt(id, HTMLElement);
}

export function elementAt<T extends Element>(id: string, type: new () => T): T {
  const element = document.getElementById(id);
  if (element instanceof type) return element;
  throw new Error(`the page has no ${type.name} #${id}`);
}

/** A row of a table with one cell for each text. */
export function rowOf(texts: readonly (string | number)[]): HTMLTableRowElement {
  const row = document.createElement('tr');
  for (const text of texts) row.insertCell().textContent = String(text);
  return row;
}

/** Name and value, and whether it is good or bad. */
export type Line = readonly [name: string, value: string, kind?: 'good' | 'bad' | undefined];

/** Fills a table; `none` when there is nothing to show. */
export function showLines(id: string, lines: readonly Line[], none: string): void {
  const shown: readonly Line[] = lines.length > 0 ? lines : [[none, '']];
  const made = shown.map(([name, value, kind]) => {
    const row = rowOf([name, value]);
    if (kind !== undefined) row.cells[1]!.className = kind;
    return row;
  });
  at(id).replaceChildren(...made);
}
