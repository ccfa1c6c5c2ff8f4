import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { logLevels, logSubsystems } from '../../src/telemetry/log-event.ts';
import { logObject } from '../../src/telemetry/log-lines.ts';

const source = new URL('../../src/', import.meta.url);
const page = readFileSync(new URL('../../docs/reference/error-log.md', import.meta.url), 'utf8');

function codesInSource(): string[] {
  const codes = new Set<string>();
  for (const file of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue;
    const text = readFileSync(new URL(file, source), 'utf8');
    for (const [, code] of text.matchAll(/(?<!\()\bevent(?:: | = )'([a-z][a-z-]+)'/g))
      codes.add(code!);
  }
  return [...codes];
}

test('every code, level, subsystem and field of the error log is on its page', () => {
  const codes = codesInSource();
  assert.ok(codes.length > 30, `${codes.length} codes`);
  const event = { timeMs: 0, level: 'error', subsystem: 'tls', code: '', message: '' } as const;
  const fields = Object.keys(logObject({ ...event, fields: {}, worker: -1, pid: 1, more: 0 }));
  const lacking = [...codes, ...fields, ...logLevels, ...logSubsystems].filter(
    (name) => !page.includes(`\`${name}\``),
  );
  assert.deepEqual(lacking, []);
});
