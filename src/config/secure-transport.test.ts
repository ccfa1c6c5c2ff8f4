// Needs openssl: it makes the certificates.
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Authority } from '../../test/support/authority.ts';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { configuredAuthority } from '../http/authority.ts';
import { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import { compileEdits } from '../routing/field-edits.ts';
import { Router } from '../routing/router.ts';
import { compileTemplate } from '../routing/variables.ts';
import { loadConfiguration } from './load.ts';

const directory = temporaryDirectory();
const { certificateFile, keyFile } = new Authority().issue({ names: ['a.example'] });
copyFileSync(certificateFile, join(directory, 'cert.pem'));
copyFileSync(keyFile, join(directory, 'key.pem'));

async function load(configuration: Record<string, unknown>) {
  const warnings: string[] = [];
  const { options } = await loadConfiguration({
    source: { file: 'sluice.yaml', text: JSON.stringify(configuration), directory },
    ...{ flags: new Map(), command: 'run', isCheck: true, nowMs: Date.now() },
    ...{ stateDirectory: directory, demoOrigin: null },
    warn: (text) => warnings.push(text),
  });
  return { options, warnings };
}

const host = (more: object) => ({
  certificates: [{ cert: 'cert.pem', key: 'key.pem' }],
  ...more,
});

function request(url: string): RequestHead {
  const [, scheme = '', authority = '', path = ''] = /^(\w+):\/\/([^/]+)(\/.*)$/.exec(url)!;
  return {
    ...{ method: 'GET', version: '1.1', scheme, path, upgrade: '' },
    authority: configuredAuthority(authority),
    fields: new FieldSection(),
    contentLength: 0,
    expectContinue: false,
  };
}

const nobody = { remoteAddress: '192.0.2.1', localPort: 80, tls: null };

/** Location for a redirect, and Strict-Transport-Security for all others. */
async function answersOf(configuration: Record<string, unknown>) {
  const { options } = await load(configuration);
  const router = new Router(options.routes.map((target) => ({ match: target.match, target })));
  return (url: string) => {
    const head = request(url);
    const route = router.find(head, nobody);
    assert.ok(typeof route === 'object');
    const source = { head, facts: null, status: 200 };
    if (route.action.kind === 'redirect')
      return compileTemplate(route.action.to, 'request')(source);
    const fields = new FieldSection();
    compileEdits(route.responseFields, 'response')?.apply(fields, source);
    return fields.first('strict-transport-security');
  };
}

test('requests without TLS are led to https, at its port, before any route', async () => {
  const plain = { origin: 'http://127.0.0.1:1', http: 8080 };
  const all = await answersOf({ ...plain, https: 8443, 'redirect-to-https': 'on' });
  assert.equal(all('http://a.example:8080/b?c'), 'https://a.example:8443/b?c');
  assert.equal(all('https://a.example:8443/b?c'), undefined);
  const usual = await answersOf({ ...plain, https: [8443, 443], 'redirect-to-https': 'on' });
  assert.equal(usual('http://[::1]:8080/'), 'https://[::1]/');
  const some = await answersOf({
    ...{ ...plain, https: 443 },
    hosts: [host({}), host({ names: ['*.a.example'], 'redirect-to-https': 'on' })],
  });
  assert.equal(some('http://www.a.example/'), 'https://www.a.example/');
  assert.equal(some('http://b.example/'), undefined);
});

test('browsers are told of https over TLS alone, in the words of RFC 6797', async () => {
  const file = { origin: 'http://127.0.0.1:1', http: 80, https: 443 };
  const all = { 'max-age': '730d', 'include-subdomains': 'on', preload: 'on' };
  const answer = await answersOf({
    ...file,
    hosts: [
      host({ names: ['a.example'], hsts: 'on' }),
      host({ names: ['b.example'], hsts: all }),
      host({ names: ['c.example'], hsts: { 'max-age': '1h' } }),
    ],
  });
  assert.equal(answer('https://a.example/'), 'max-age=31536000');
  assert.equal(answer('https://b.example/'), 'max-age=63072000; includeSubDomains; preload');
  assert.equal(answer('https://c.example/'), 'max-age=3600');
  assert.equal(answer('http://a.example/'), undefined, '§7.2');
  assert.equal(answer('https://d.example/'), undefined);
  const preload = load({ ...file, hosts: [host({ hsts: { preload: 'on' } })] });
  await assert.rejects(preload, /preload: no list takes it so/);
});

test('a redirect that leads nowhere is refused, and one that nobody meets is told', async () => {
  const plain = { origin: 'http://127.0.0.1:1', 'redirect-to-https': 'on' };
  await assert.rejects(load({ ...plain, http: 80 }), /nothing listens with TLS/);
  const { warnings } = await load({ ...plain, https: 443 });
  assert.match(warnings.join(), /nothing listens without TLS/);
});
