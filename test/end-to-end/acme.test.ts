// Needs pebble and openssl.
/** Certificates by themselves, from an authority (pebble) to what clients see. */
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { connect, type PeerCertificate } from 'node:tls';
import { startOrigin } from '../support/origins.ts';
import { startPebble, unlessPebble } from '../support/pebble.ts';
import { startSluiceWith } from '../support/sluice-file.ts';
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
  await using sluice = await startSluiceWith({
    listeners: [
      { address: httpPort, protocol: 'http' },
      { address: tlsPort, protocol: 'https' },
    ],
    workers: 2,
    hosts: [
      { names: ['www.acme.test', 'acme.test'], certificates: 'acme' },
      { names: ['second.acme.test'], certificates: 'acme' },
    ],
    acme: {
      email: 'admin@acme.test',
      directory: pebble.directory,
      'directory-ca': pebble.caFile,
      keys: ['ecdsa', 'rsa'],
      storage,
      resolvers: [pebble.resolver],
    },
    origin: origin.url,
  });

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
});
