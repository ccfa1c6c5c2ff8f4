import assert from 'node:assert/strict';
import test from 'node:test';
import { logSubsystems } from '../telemetry/log-event.ts';
import { plainErrorLog } from '../telemetry/log-options.ts';
import { ErrorLog } from './error-log.ts';

function open() {
  const lines: string[] = [];
  return { log: new ErrorLog((line) => lines.push(line)), lines };
}

test('each subsystem reports what its level lets through', () => {
  const { log, lines } = open();
  log.configure({ ...plainErrorLog, level: 'info', levels: { supervisor: 'warning' } });
  for (const subsystem of ['supervisor', 'tls'] as const) {
    for (const level of ['warning', 'notice', 'info', 'debug'] as const) {
      log.report(`${subsystem} ${level}`, { subsystem, level });
    }
  }
  assert.deepEqual(lines, [
    'sluice: supervisor warning\n',
    'sluice: tls warning\n',
    'sluice: tls notice\n',
    'sluice: info: tls: tls info\n',
  ]);
});

test('the level of one subsystem is its own, whichever it is', () => {
  for (const chosen of logSubsystems) {
    const { log, lines } = open();
    log.configure({ ...plainErrorLog, level: 'error', levels: { [chosen]: 'debug' } });
    for (const subsystem of logSubsystems) log.report('detail', { subsystem, level: 'debug' });
    assert.deepEqual(lines, [`sluice: debug: ${chosen}: detail\n`]);
  }
});

test('the latest events are kept, and told by level and number', () => {
  const { log } = open();
  for (let i = 1; i <= 1_100; i++) {
    log.report(`event ${i}`, { level: i % 2 === 0 ? 'error' : 'notice', event: `kind-${i % 20}` });
  }
  const all = log.events({ after: 0, level: null, subsystem: null, limit: 5_000 });
  assert.equal(all.events.length, 1_000);
  assert.equal(all.last, 1_100);
  const after = log.events({ after: 1_096, level: 'error', subsystem: null, limit: 10 });
  assert.deepEqual(
    after.events.map(({ event }) => event.message),
    ['event 1098', 'event 1100'],
  );
});

test('what a peer sends can forge no escape sequence', () => {
  const { log, lines } = open();
  log.report('name \x1b[2J\r.example');
  assert.deepEqual(lines, ['sluice: name \\x1b[2J\\x0d.example\n']);
});

test('with off, only the admin endpoint has the events', () => {
  const { log, lines } = open();
  log.configure({ ...plainErrorLog, target: null });
  log.report('unseen');
  assert.deepEqual(lines, []);
  assert.equal(log.events({ after: 0, level: null, subsystem: null, limit: 1 }).events.length, 1);
});
