/** Reads what the tests compare out of Markdown pages. */

export interface Row {
  /** The last heading before the table. */
  readonly heading: string;
  /** Without the outer bars, trimmed. */
  readonly cells: readonly string[];
}

/** Rows of all tables, heads and rules left out. */
export function tableRows(page: string): Row[] {
  const rows: Row[] = [];
  let heading = '';
  let inTable = false;
  for (const line of page.split('\n')) {
    if (line.startsWith('#')) heading = line.replace(/^#+ /, '');
    if (!line.startsWith('|')) inTable = false;
    else if (/^\|[ |:-]+\|$/.test(line)) inTable = true;
    else if (inTable) {
      const cells = line.slice(1, -1).split('|');
      rows.push({ heading, cells: cells.map((cell) => cell.trim()) });
    }
  }
  return rows;
}
