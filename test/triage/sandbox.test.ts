import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import test from 'node:test';
import { UsageError } from '../../src/base/errors.ts';
import { sandboxWith } from '../../src/cli/sandbox/sandbox-process.ts';
import { parseCommandLine } from '../../src/config/command-line.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { ExtensionType } from '../../src/tls/client-hello.ts';
import type { JsonValue } from '../../src/triage/incident.ts';
import { incidentConfiguration } from '../../src/triage/redaction.ts';
import type { ReplayScript } from '../../src/triage/replay/script.ts';
import type { Player, SandboxSetting } from '../../src/triage/sandbox.ts';
import { extension, helloMessage, inRecords, uint16s, vector } from '../support/client-hello.ts';
import { dangerFlags } from '../support/danger.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const OBSERVER = 'danger-group-in-callback';
const X25519 = 0x001d;
const ECDSA_P256 = 0x0403;
const RSA_PSS = 0x0804;
const { signal } = new AbortController();

/** Sends the bytes of a script, and tells the first byte of the answer. */
const play: Player = (script, { host, port }) => {
  const flights = script.mode === 'request' ? [] : script.flights;
  const { promise, resolve } = Promise.withResolvers<string[]>();
  const socket = connect(port, host, () => {
    for (const flight of flights) {
      if (flight.kind !== 'bytes') continue;
      for (const { bytes } of flight.writes) socket.write(Buffer.from(bytes, 'base64'));
    }
  });
  socket.once('data', (bytes) => {
    resolve([String(bytes[0])]);
    socket.destroy();
  });
  socket.once('error', () => {});
  socket.once('close', () => resolve([]));
  return promise.then((received) => {
    const result = received.length > 0 ? 'answered' : 'closed';
    return { result, alert: '', flightsSent: 1, received, durationMs: 1 };
  });
};
const openSandbox = sandboxWith(play);

interface HelloSettings {
  /** Whether there is a share that the server takes; else it asks for another one. */
  readonly hasShare: boolean;
  readonly serverName?: string;
  readonly scheme?: number;
}

function hello({ hasShare, serverName = 'a.example', scheme = ECDSA_P256 }: HelloSettings) {
  const share = Buffer.concat([uint16s(X25519), vector(2, Buffer.alloc(32, 9))]);
  const message = helloMessage({
    cipherSuites: [0x1301],
    extensions: [
      extension.serverName(serverName),
      extension.versions(0x0304),
      extension.groups(X25519),
      extension.schemes(scheme),
      [ExtensionType.keyShare, vector(2, ...(hasShare ? [share] : []))],
    ],
  });
  const bytes = inRecords(message).toString('base64');
  return {
    mode: 'verbatim',
    flights: [{ kind: 'bytes', writes: [{ delayMs: 0, bytes }] }],
    end: 'close',
  } satisfies ReplayScript;
}

const HANDSHAKE_RECORD = '22';
const plain = hello({ hasShare: true });
const retried = hello({ hasShare: false });

async function optionsOf(...words: readonly string[]): Promise<JsonValue> {
  const all = ['--origin', 'http://origin.example', '--https', '4433', ...words];
  const { options } = await loadConfiguration({
    flags: parseCommandLine(all, process.cwd()).given,
    source: null,
    command: 'run',
    nowMs: Date.now(),
    stateDirectory: temporaryDirectory(),
    demoOrigin: null,
    warn() {},
  });
  return incidentConfiguration(options).options;
}

async function settingOf(...features: readonly string[]): Promise<SandboxSetting> {
  const options = await optionsOf(...dangerFlags(...features));
  return { options, features: {}, checkout: '' };
}

test('a sandbox instance says what its worker died of, again and again', async () => {
  await using sandbox = await openSandbox(await settingOf(OBSERVER), signal);
  const alive = await sandbox.run([plain], signal);
  assert.deepEqual([alive.death, alive.played[0]!.received], [null, [HANDSHAKE_RECORD]]);
  for (let run = 0; run < 5; run++) {
    const { death, played } = await sandbox.run([retried], signal);
    assert.equal(death?.signature, `crash/SIGSEGV/SSL_read_early_data/${OBSERVER}`);
    assert.equal(played[0]!.result, 'closed');
  }
  const again = await sandbox.run([plain, plain], signal);
  assert.deepEqual([again.death, again.played.length], [null, 2]);
});

test('a feature that the setting switches off is off', async () => {
  const setting = await settingOf(OBSERVER);
  await using sandbox = await openSandbox({ ...setting, features: { [OBSERVER]: false } }, signal);
  const { death, played } = await sandbox.run([retried], signal);
  assert.deepEqual([death, played[0]!.received], [null, [HANDSHAKE_RECORD]]);
});

test('a worker that hangs is a death of its own kind', async () => {
  await using sandbox = await openSandbox(await settingOf('danger-hang'), signal);
  const { death } = await sandbox.run([hello({ hasShare: true, serverName: 'hang.test' })], signal);
  assert.deepEqual([death?.kind, death?.suspect?.observer], ['hang', 'danger-hang']);
});

test('it has certificates of the kinds that the incident has, and none of its keys', async () => {
  const setting = await settingOf();
  const { options } = setting as unknown as { options: { hosts: { tls: object }[] } };
  const { makeSelfSignedCertificate } = await import('../../src/tls/self-signed.ts');
  const certificates = (['rsa', 'ed25519'] as const).map((keyType) => ({
    certificatePem: makeSelfSignedCertificate({ names: ['a.example'], nowMs: Date.now(), keyType })
      .certificatePem,
    keyPem: '(redacted)',
  }));
  const hosts = [{ ...options.hosts[0]!, tls: { ...options.hosts[0]!.tls, certificates } }];
  const withRsa = { ...setting, options: { ...options, hosts } as unknown as JsonValue };
  await using sandbox = await openSandbox(withRsa, signal);
  const scripts = [RSA_PSS, ECDSA_P256].map((scheme) => hello({ hasShare: true, scheme }));
  const { played } = await sandbox.run(scripts, signal);
  const ALERT_RECORD = '21';
  assert.deepEqual(
    played.map(({ received }) => received[0]),
    [HANDSHAKE_RECORD, ALERT_RECORD],
  );
});

test('what cannot be run is refused with a remedy, and leaves nothing behind', async () => {
  process.env.TMPDIR = temporaryDirectory();
  const setting = await settingOf('danger-of-another-module');
  await assert.rejects(openSandbox(setting, signal), (error: Error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, /danger-of-another-module: no module has it/);
    return true;
  });
  await assert.rejects(openSandbox({ ...setting, options: null }, signal), /has no options/);
  const elsewhere = temporaryDirectory();
  await assert.rejects(openSandbox({ ...setting, checkout: elsewhere }, signal), /there is no src/);
  const left = readdirSync(tmpdir()).filter((name) => name.startsWith('sluice-sandbox-'));
  assert.deepEqual(left, []);
});

test('whoever gives up waits no longer', async () => {
  const abort = new AbortController();
  const opening = openSandbox(await settingOf(), abort.signal);
  abort.abort(new Error('enough'));
  await assert.rejects(opening, /enough/);
});
