// Needs pebble and openssl.
/** Certificates by themselves, from an authority (pebble) to what clients see. */
import assert from 'node:assert/strict';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { connect, type PeerCertificate } from 'node:tls';
import { runSluice } from '../cli/sluice-process.ts';
import { startOrigin } from '../support/origins.ts';
import { startPebble, unlessPebble } from '../support/pebble.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { freePort, until } from '../support/waiting.ts';

const skip = unlessPebble();

/** Who a client sees under a name. */
function certificateOf(port: number, servername: string): Promise<PeerCertificate> {
  const { promise, resolve, reject } = Promise.withResolvers<PeerCertificate>();
  const socket = connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false });
  socket.on('secureConnect', () => {
    resolve(socket.getPeerCertificate());
    socket.destroy();
  });
  socket.on('error', reject);
  return promise;
}

test('a host with certificates: acme', { skip }, async (t) => {
  const [httpPort, tlsPort] = [await freePort(), await freePort()];
  await using pebble = await startPebble({
    httpPort,
    tlsPort,
    environment: { PEBBLE_WFE_NONCEREJECT: '30' },
  });
  const storage = join(temporaryDirectory(), 'acme');
  await using origin = await startOrigin((_request, response) => response.end('origin'));
  const file = join(temporaryDirectory(), 'sluice.yaml');
  const hosts = [
    { names: ['www.acme.test', 'acme.test'], certificates: 'acme' },
    { names: ['second.acme.test'], certificates: 'acme' },
  ];
  const write = (more: readonly object[], settings: object) => {
    const configuration = {
      listeners: [
        { address: httpPort, protocol: 'http' },
        { address: tlsPort, protocol: 'https' },
      ],
      hosts: [...hosts, ...more],
      acme: {
        email: 'admin@acme.test',
        directory: pebble.directory,
        'directory-ca': pebble.caFile,
        keys: ['ecdsa', 'rsa'],
        storage,
        resolvers: [pebble.resolver],
        ...settings,
      },
      origin: origin.url,
    };
    writeFileSync(file, JSON.stringify(configuration));
  };
  write([], {});
  const flags = ['--config', file];
  await using sluice = await startSluice({ listensByFile: true, workers: 2, flags });
  const certificates = async (...words: string[]) => {
    const admin = ['--admin', `127.0.0.1:${sluice.adminPort}`];
    const { code, stdout, stderr } = await runSluice(['certificates', ...words, ...admin]);
    assert.equal(code, 0, stderr);
    return stdout;
  };

  await t.test(
    'a first start says that a self-signed certificate is served meanwhile',
    async () => {
      const words = 'www.acme.test, acme.test: a self-signed certificate is served until';
      await until(() => sluice.output.includes(words), 'the warning');
    },
  );

  await t.test('each host has a certificate of the authority soon, without a restart', async () => {
    for (const name of ['www.acme.test', 'acme.test', 'second.acme.test']) {
      const seen = await until(
        async () => {
          const one = await certificateOf(tlsPort, name);
          return /^Pebble/.test(String(one.issuer.CN)) && one;
        },
        () => `a certificate for ${name}: ${sluice.output}`,
      );
      assert.match(seen.subjectaltname ?? '', new RegExp(`DNS:${name.replaceAll('.', '\\.')}\\b`));
    }
  });

  await t.test('keys and accounts are readable by their owner only', async () => {
    const isPair = (name: string) => name.endsWith('.pem');
    await until(() => readdirSync(storage).filter(isPair).length === 4, 'two for each host');
    const names = readdirSync(storage);
    for (const name of names) assert.equal(statSync(join(storage, name)).mode & 0o777, 0o600);
    assert.equal(statSync(storage).mode & 0o777, 0o700);
  });

  await t.test('a host of a reload is proved by tls-alpn-01, without a restart', async () => {
    const clients = { mode: 'required', ca: pebble.caFile };
    const host = { names: ['alpn.acme.test'], certificates: 'acme' };
    write([{ ...host, tls: { 'client-certificates': clients } }], { challenges: ['tls-alpn-01'] });
    sluice.signal('SIGHUP');
    await until(
      () => sluice.output.includes('alpn.acme.test: a certificate was issued by localhost'),
      () => `its certificate: ${sluice.output}\n${pebble.output.slice(-2_000)}`,
    );
  });

  await t.test('what there is, and why, is told by sluice certificates', async () => {
    const list = await certificates('list');
    assert.match(list, /^www\.acme\.test, acme\.test {2}ecdsa {2}localhost:\d+, valid until 20/m);
    const why = await certificates('why', 'acme.test');
    assert.match(why, /a certificate \(rsa\) of localhost:\d+ serves, valid until/);
    assert.equal(
      await sluice.sum('sluice_acme_orders_total', { outcome: 'failed' }),
      0,
      sluice.output,
    );
  });

  await t.test('a revoked certificate is replaced, and no handshake fails meanwhile', async () => {
    const before = await certificateOf(tlsPort, 'second.acme.test');
    let handshakes = 0;
    const revoking = certificates('revoke', 'second.acme.test');
    await until(async () => {
      const { serialNumber } = await certificateOf(tlsPort, 'second.acme.test');
      handshakes++;
      return serialNumber !== before.serialNumber && handshakes > 100;
    }, 'another certificate');
    await revoking;
    assert.equal(await pebble.statusOf(before.serialNumber), 'Revoked');
  });
});
