import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { type Blame, SluiceError } from '../../src/base/errors.ts';
import { proxyStatusOf } from '../../src/proxy/reply/proxy-status.ts';
import { codesOf, mappedCodes, raisedCodes } from '../../tools/error-codes.ts';
import { type Row, tableRows } from './pages.ts';

const page = readFileSync(new URL('../../docs/reference/errors.md', import.meta.url), 'utf8');
const raised = raisedCodes();
const rows = tableRows(page).filter((row) => /^`[^`]+`$/.test(row.cells[0]!));
const codeOf = (row: Row) => row.cells[0]!.slice(1, -1);
const blames: Record<string, Blame> = {
  client: 'downstream',
  origin: 'upstream',
  sluice: 'internal',
};

test('every error code that the program raises is on the page, once', () => {
  const listed = rows.map(codeOf);
  assert.deepEqual(
    [...raised.keys()].filter((code) => !listed.includes(code)),
    [],
    'codes that docs/reference/errors.md lacks',
  );
  assert.deepEqual(
    listed.filter((code, index) => listed.indexOf(code) !== index),
    [],
  );
});

test('the page names no other code, and calls reserved what only the table of statuses knows', () => {
  for (const row of rows) {
    const code = codeOf(row);
    if (row.heading === 'Reserved') {
      assert.ok(mappedCodes().includes(code) && !raised.has(code), `${code} is not reserved`);
    } else {
      assert.ok(raised.has(code), `${code} is raised nowhere`);
    }
  }
  const reserved = mappedCodes().filter((code) => !raised.has(code));
  assert.deepEqual(rows.filter((row) => row.heading === 'Reserved').map(codeOf), reserved);
});

test('the status and the RFC 9209 type of each code are those that clients get', () => {
  let compared = 0;
  for (const row of rows) {
    const shown = row.cells.map((cell) => /^(\d{3}) `(\w+)`$/.exec(cell)).find((m) => m !== null);
    if (shown === undefined) continue;
    const blame = blames[row.cells[1]!] ?? 'upstream';
    const { status, type } = proxyStatusOf(new SluiceError(codeOf(row), '', { blame }));
    assert.equal(`${shown[1]} ${shown[2]}`, `${status} ${type}`, codeOf(row));
    compared++;
  }
  assert.ok(compared > 40, `${compared} rows say what the client sees`);
});

test('the status of each refused HTTP/1.1 message is the one that answers it', () => {
  const refusals = rows.filter((row) => row.heading.startsWith('Requests and responses'));
  assert.ok(refusals.length > 20);
  for (const row of refusals) {
    assert.deepEqual(raised.get(codeOf(row))!.statuses, [Number(row.cells[3])], codeOf(row));
  }
});

test('a code is found however it is written, and one that cannot be read is refused', () => {
  const found = (text: string) => codesOf(text, 'x.ts').map(([code]) => code);
  assert.deepEqual(found("throw new SluiceError('a-b', `x`, {})"), ['a-b']);
  assert.deepEqual(found("new MessageError(400,\n  'a-b',\n  'x')"), ['a-b']);
  assert.deepEqual(found("refuseResponse(502, 'a-b', 'x')"), ['a-b']);
  assert.deepEqual(found('refuse(431, `${kind}-long`, x)'), ['head-long', 'trailers-long']);
  assert.deepEqual(found("let code = known?.code ?? 'a-b';"), ['a-b']);
  assert.deepEqual(found('new SluiceError(meaning.code, x, y)'), []);
  assert.throws(() => found('new SluiceError(`${prefix}-b`, x, y)'), /cannot be read here/);
});
