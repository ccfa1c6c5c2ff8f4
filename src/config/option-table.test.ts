import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { UsageError } from '../base/errors.ts';
import { parseCommandLine } from './command-line.ts';
import {
  readValueType,
  type ValueTypeName,
  valueTypeOf,
  valueTypes,
} from './document/value-types.ts';
import { optionTable, readOption } from './option-table.ts';
import { resolveOptions } from './resolve.ts';

const given = (text: string) => ({ text, place: '--x', directory: '/' });
const words = { name: 'x', placeholder: 'X', example: 'x' };
const valueTypeNames = Object.keys(valueTypes) as ValueTypeName[];
/** Those for which off is a value as on is. */
const switches: readonly ValueTypeName[] = ['switch', 'feature'];
const mayBeOff = (kind: ValueTypeName) =>
  !switches.includes(kind) && valueTypeOf(kind).placeholder.split('|').includes('off');

test('a default is read as what is given is; only what cannot be written is told in words', () => {
  for (const { name, type, defaultText, demoDefaultText, isDefaultInWords } of optionTable) {
    if (isDefaultInWords !== true) {
      readOption(name, given(defaultText));
      if (demoDefaultText !== undefined) readOption(name, given(demoDefaultText));
    } else if (!type.startsWith('path')) {
      // Any text is a path.
      assert.throws(() => readOption(name, given(defaultText)), UsageError, name);
    }
  }
});

test('editors see the examples, and the words of a form, as right; the parser agrees', () => {
  for (const { name, type, example } of optionTable) {
    const { pattern, enum: choices } = valueTypeOf(type).form as {
      pattern?: string;
      enum?: string[];
    };
    if (pattern !== undefined) assert.match(example, new RegExp(pattern, 'u'), name);
    if (choices !== undefined) assert.ok(choices.includes(example), name);
  }
  for (const kind of valueTypeNames) {
    const { enum: choices = [] } = valueTypeOf(kind).form as { enum?: unknown[] };
    for (const word of choices) readValueType(kind, words, given(String(word)));
    if (choices.length > 0) {
      assert.throws(() => readValueType(kind, words, given('another')), UsageError, kind);
    }
  }
});

test('whatever may be off is null then', () => {
  const valueTypesWithOff = valueTypeNames.filter(mayBeOff);
  assert.ok(valueTypesWithOff.length >= 6);
  for (const kind of valueTypesWithOff)
    assert.equal(readValueType(kind, words, given('off')), null, kind);
  for (const kind of valueTypeNames) {
    if (mayBeOff(kind) || kind === 'switch' || kind === 'path') continue;
    assert.throws(() => readValueType(kind, words, given('off')), UsageError, kind);
  }
});

test('options have null for all that is switched off', async () => {
  const flags = optionTable
    .filter(({ type }) => mayBeOff(type))
    .flatMap(({ name }) => [`--${name}`, 'off']);
  const options = await resolveOptions(
    parseCommandLine(['--origin', 'http://o', '--http', '0', ...flags], '/').given,
    { command: 'run', nowMs: 0, stateDirectory: tmpdir(), demoOrigin: null, warn() {} },
  );
  const { cluster, admin, purgeFrom, trustedProxies, errorLog, recorder, autoDisable, tls } =
    options;
  const { ticketKeyFile, keyLog } = tls;
  const { pidFile, adminToken, cacheDirectory, account, connect } = options;
  const off = {
    ...{ cluster, admin, purgeFrom, trustedProxies, ticketKeyFile, keyLog, pidFile, adminToken },
    ...{ cacheDirectory, account, connect, webhook: autoDisable.webhook },
    ...{ errorLog: errorLog.target, incidents: recorder.directory },
  };
  for (const [name, value] of Object.entries(off)) assert.equal(value, null, name);
  assert.deepEqual(options.logs, []);
  assert.equal(options.listeners[0]!.proxyProtocol.accept, 'off');
});
