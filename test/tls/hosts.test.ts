import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { UsageError } from '../../src/base/errors.ts';
import type { SslSession } from '../../src/native/ssl-session.ts';
import type {
  ClientConnectionOptions,
  ClientContextOptions,
} from '../../src/tls/client-context.ts';
import type { HandshakeRecord } from '../../src/tls/contract.ts';
import { type HostTlsOptions, plainHost } from '../../src/tls/host-options.ts';
import { makeSelfSignedCertificate } from '../../src/tls/self-signed.ts';
import {
  createHostedContext,
  type ServerContext,
  type SharedServerOptions,
} from '../../src/tls/server-context.ts';
import { Authority } from '../support/authority.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { makeCertificate } from './openssl-command.ts';
import { clientContext, liveHandles, Pair } from './wire.ts';

after(() => assert.deepEqual(liveHandles(), {}, 'every native handle was freed'));

const nowMs = Date.now();
const certificateFor = (name: string) => makeSelfSignedCertificate({ names: [name], nowMs });
const certificates = {
  'a.test': certificateFor('a.test'),
  'b.test': certificateFor('b.test'),
};
const ticketKeys = [randomBytes(80)];

function host(name: keyof typeof certificates, more: Partial<HostTlsOptions> = {}): HostTlsOptions {
  return { ...plainHost, names: [name], certificates: [certificates[name]], ...more };
}

function serverOf(
  hosts: readonly HostTlsOptions[],
  more: Partial<SharedServerOptions> = {},
): ServerContext {
  return createHostedContext({ alpn: ['http/1.1'], ticketKeys, ...more }, hosts);
}

const directory = temporaryDirectory();
let files = 0;

function fileOf(pem: string): string {
  const path = join(directory, `${++files}.pem`);
  writeFileSync(path, pem);
  return path;
}

interface Meeting {
  readonly record: HandshakeRecord;
  /** What the server got of the early data. */
  readonly received: string;
  readonly session: SslSession | null;
}

/** One handshake, to its end. */
function meet(
  server: ServerContext,
  serverName: string,
  options: ClientContextOptions & Partial<ClientConnectionOptions> = {},
): Meeting {
  const { session, earlyData, ...contextOptions } = options;
  using client = clientContext(contextOptions);
  const target: Partial<ClientConnectionOptions> = {
    serverName,
    ...(session === undefined ? {} : { session }),
    ...(earlyData === undefined ? {} : { earlyData }),
  };
  using pair = new Pair(server, client, target).settle();
  const { record } = pair.server;
  const complete = record.outcome === 'complete';
  return { record, received: pair.server.received, session: complete ? pair.takeSession() : null };
}

/** Whether a client that trusts only this certificate gets on with the server under the name. */
function shows(server: ServerContext, serverName: string, name: string, pem: string): boolean {
  const authority = { caFile: fileOf(pem), verify: true };
  using client = clientContext(authority);
  using pair = new Pair(server, client, { serverName, verifyName: name }).settle();
  return pair.client.record.outcome === 'complete';
}

const early = Buffer.from('GET / HTTP/1.1\r\n\r\n');

describe('a host is chosen by the name asked for', () => {
  const wild = makeSelfSignedCertificate({ names: ['*.b.test'], nowMs });
  const hosts = [
    host('a.test'),
    host('b.test'),
    { ...plainHost, names: ['*.b.test'], certificates: [wild] },
  ];
  const isShown = (serverName: string, name: string, { certificatePem }: typeof wild) => {
    using server = serverOf(hosts);
    return shows(server, serverName, name, certificatePem);
  };

  test('exactly, in any case', () => {
    assert.ok(isShown('b.test', 'b.test', certificates['b.test']));
    assert.ok(isShown('B.Test', 'b.test', certificates['b.test']));
    assert.ok(isShown('a.test', 'a.test', certificates['a.test']));
  });

  test('by a wildcard for one more label, and no other number of them', () => {
    assert.ok(isShown('x.b.test', 'x.b.test', wild));
    assert.ok(!isShown('x.y.b.test', 'x.b.test', wild));
  });

  test('and is the first for other names, and for none', () => {
    for (const name of ['x.y.b.test', 'c.test', 'test', '']) {
      assert.ok(isShown(name, 'a.test', certificates['a.test']), name);
    }
  });
});

describe('a host has its own policy, whichever host is the default', () => {
  const differing: readonly (readonly [string, Partial<HostTlsOptions>])[] = [
    ['version', { maxVersion: 'TLSv1.2' }],
    ['version', { minVersion: 'TLSv1.3' }],
    ['cipher', { cipherSuites: 'TLS_CHACHA20_POLY1305_SHA256' }],
    ['group', { groups: 'P-384' }],
    ['group', { groups: 'ffdhe3072' }],
  ];
  for (const [fact, policy] of differing) {
    test(`${fact}: ${JSON.stringify(policy)}`, () => {
      const key = fact as 'version' | 'cipher' | 'group';
      // What this policy makes of a client that would take anything, beside what none makes of it.
      const of = (own: Partial<HostTlsOptions>, others: Partial<HostTlsOptions>) => {
        using first = serverOf([host('a.test', own), host('b.test', others)]);
        using second = serverOf([host('a.test', others), host('b.test', own)]);
        const facts = [meet(first, 'a.test'), meet(second, 'b.test')].map(({ record, session }) => {
          session?.[Symbol.dispose]();
          assert.equal(record.outcome, 'complete');
          return record[key];
        });
        assert.equal(facts[0], facts[1]);
        return facts[0];
      };
      const strict = of(policy, {});
      const plain = of({}, policy);
      if (policy.minVersion === undefined) assert.notEqual(strict, plain);
      else assert.equal(strict, 'TLSv1.3');
    });
  }

  test('a client that has only what another host takes is refused', () => {
    const only13 = { minVersion: 'TLSv1.3' } as const;
    for (const hosts of [
      [host('a.test', only13), host('b.test')],
      [host('b.test'), host('a.test', only13)],
    ]) {
      using server = serverOf(hosts);
      const refused = meet(server, 'a.test', { maxVersion: 'TLSv1.2' });
      assert.equal(refused.record.errorCode, 'tls-version-unsupported');
      const taken = meet(server, 'b.test', { maxVersion: 'TLSv1.2' });
      assert.equal(taken.record.version, 'TLSv1.2');
      taken.session?.[Symbol.dispose]();
    }
  });

  test('TLS 1.2 cipher suites', () => {
    const strong = { ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' };
    using server = serverOf([host('a.test'), host('b.test', strong)]);
    const ciphers = ['a.test', 'b.test'].map((name) => {
      const { record, session } = meet(server, name, { maxVersion: 'TLSv1.2' });
      session?.[Symbol.dispose]();
      return record.cipher;
    });
    assert.equal(ciphers[1], 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384');
    assert.notEqual(ciphers[0], ciphers[1]);
  });

  const { skip } = makeCertificate;

  test('HTTP/2 only with cipher suites that it may have (RFC 9113 §9.2.2)', { skip }, () => {
    const rsa = { certificates: [makeCertificate('rsa')] };
    const alpn = ['h2', 'http/1.1'];
    for (const [ciphers, maxVersion, expected] of [
      ['ECDHE-RSA-AES128-GCM-SHA256', 'TLSv1.2', 'h2'],
      ['ECDHE-RSA-CHACHA20-POLY1305', 'TLSv1.2', 'h2'],
      ['ECDHE-RSA-AES128-SHA256', 'TLSv1.2', 'http/1.1'],
      ['ECDHE-RSA-AES128-SHA256', 'TLSv1.3', 'h2'],
    ] as const) {
      using server = serverOf([host('a.test', { ...rsa, ciphers })], { alpn });
      const first = meet(server, 'a.test', { alpn, maxVersion });
      assert.equal(first.record.alpn, expected, ciphers);
      const { session } = first;
      if (session === null) continue;
      const second = meet(server, 'a.test', { alpn, maxVersion, session });
      assert.deepEqual([second.record.resumed, second.record.alpn], [true, expected], ciphers);
      session[Symbol.dispose]();
      second.session?.[Symbol.dispose]();
    }
  });

  test('a HelloRetryRequest asks for a group of the host', () => {
    const hosts = [host('a.test', { groups: 'X25519' }), host('b.test', { groups: 'P-384' })];
    for (const order of [hosts, hosts.toReversed()]) {
      using server = serverOf(order);
      for (const [name, group, retried] of [
        ['a.test', 'x25519', false],
        ['b.test', 'secp384r1', true],
      ] as const) {
        const { record, session } = meet(server, name, { groups: 'X25519:P-384' });
        session?.[Symbol.dispose]();
        assert.deepEqual([record.group, record.helloRetryRequest], [group, retried]);
      }
    }
  });
});

test('the second ClientHello cannot move to another host', () => {
  using server = serverOf([host('a.test', { groups: 'P-384' }), host('b.test')]);
  using client = clientContext({ groups: 'X25519:P-384' });
  using pair = new Pair(server, client, { serverName: 'a.test' });
  pair.toServer();
  pair.toClient();
  const flight = pair.client.takeFlight();
  const at = flight.indexOf('a.test');
  assert.ok(at > 0);
  flight.write('b.test', at, 'latin1');
  pair.server.receive(flight);
  const { outcome, alert, alertSentBy, helloRetryRequest } = pair.server.record;
  assert.deepEqual(
    { outcome, alert, alertSentBy, helloRetryRequest },
    { outcome: 'failed', alert: 'illegal_parameter', alertSentBy: 'us', helloRetryRequest: true },
  );
});

describe('a server name that is none', () => {
  const outcomeOf = (name: Buffer, minVersion: 'TLSv1.2' | 'TLSv1.3') => {
    using server = serverOf([host('a.test')]);
    using client = clientContext({ maxVersion: minVersion });
    // The client's own library takes names of bytes; these take the place of as many x.
    const serverName = 'x'.repeat(name.length);
    using pair = new Pair(server, client, { serverName });
    const flight = pair.client.takeFlight();
    // With its length: a single x may be anywhere, as in the random.
    const at = flight.indexOf(`\0${String.fromCharCode(name.length)}${serverName}`, 0, 'latin1');
    assert.ok(at > 0);
    name.copy(flight, at + 2);
    pair.server.receive(flight);
    const { records } = pair.server;
    if (records.length === 0) return 'goes on';
    const { outcome, alert, alertSentBy, serverName: known } = records[0]!;
    return [outcome, alert, alertSentBy, known].join(' ');
  };

  test('is refused with unrecognized_name, and known to nobody (RFC 6066 §3)', () => {
    for (const name of [
      'a\r\nX: y',
      'a\u0001b',
      'a\u010d\u010aX-Injected: yes',
      'b\u00fccher.example',
      '\x1b]0;title\x07',
      'a b',
      'a..b',
      '*.a.test',
      '[::1]',
      'a.test:443',
      '.',
    ]) {
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const outcome = outcomeOf(Buffer.from(name), version);
        assert.equal(outcome, 'failed unrecognized_name us ', JSON.stringify(name));
      }
    }
  });

  test('is not one with underscores, a final dot, or upper case', () => {
    for (const name of [
      '_a_.b_c.test',
      'A.TEST',
      'a.test.',
      'xn--bcher-kva.example',
      '127.0.0.1',
    ]) {
      assert.equal(outcomeOf(Buffer.from(name), 'TLSv1.3'), 'goes on', name);
    }
  });
});

describe('early data per host', () => {
  const off = { earlyData: { ...plainHost.earlyData, enabled: false } };

  test('works on the host that allows it only, whichever is the default', () => {
    for (const hosts of [
      [host('a.test'), host('b.test', off)],
      [host('b.test', off), host('a.test')],
    ]) {
      using server = serverOf(hosts);
      using onTicket = meet(server, 'a.test').session!;
      using offTicket = meet(server, 'b.test').session!;
      assert.equal(onTicket.earlyDataBytesMax, 16_384);
      assert.equal(offTicket.earlyDataBytesMax, 0);
      const accepted = meet(server, 'a.test', { session: onTicket, earlyData: early });
      assert.equal(accepted.record.earlyData, 'accepted');
      accepted.session?.[Symbol.dispose]();
    }
  });

  test('turned off breaks no client that has a ticket from before', () => {
    for (const isDefault of [true, false]) {
      const other = host('b.test');
      const order = (own: HostTlsOptions) => (isDefault ? [own, other] : [other, own]);
      using before = serverOf(order(host('a.test')));
      using ticket = meet(before, 'a.test').session!;
      using now = serverOf(order(host('a.test', off)));
      const { record, received, session } = meet(now, 'a.test', {
        session: ticket,
        earlyData: early,
      });
      session?.[Symbol.dispose]();
      assert.equal(record.outcome, 'complete');
      assert.equal(record.resumed, true);
      assert.equal(record.earlyDataReason, 'policy off');
      assert.equal(received, '');
    }
  });

  test('has a size of its own, in the tickets and when it arrives', () => {
    const small = { earlyData: { ...plainHost.earlyData, bytesMax: 1_000 } };
    using server = serverOf([host('a.test'), host('b.test', small)]);
    using ticket = meet(server, 'b.test').session!;
    assert.equal(ticket.earlyDataBytesMax, 1_000);
    const fits = Buffer.alloc(1_000, 'x');
    const { record, session } = meet(server, 'b.test', { session: ticket, earlyData: fits });
    session?.[Symbol.dispose]();
    assert.equal(record.earlyDataBytes, 1_000);
  });

  /** So many connections that have sent early data and wait; how many were accepted. */
  function accepted(server: ServerContext, names: readonly string[]): string[] {
    using client = clientContext();
    const open: Pair[] = [];
    const facts = names.map((serverName) => {
      using ticket = meet(server, serverName).session!;
      const pair = new Pair(server, client, { serverName, session: ticket, earlyData: early });
      open.push(pair);
      pair.toServer();
      return pair.server.received === '' ? 'refused' : 'accepted';
    });
    for (const pair of open) {
      pair.settle();
      const { earlyData, earlyDataReason, outcome } = pair.server.record;
      assert.equal(outcome, 'complete');
      if (earlyData === 'rejected') assert.equal(earlyDataReason, 'over the limit');
      pair[Symbol.dispose]();
    }
    return facts;
  }

  test('in flight is bounded over all hosts, and the bound is free again afterwards', () => {
    using server = serverOf([host('a.test'), host('b.test')], {
      earlyDataInFlightBytesMax: 2 * 16_384,
    });
    const names = ['a.test', 'b.test', 'a.test', 'b.test'];
    for (let round = 0; round < 3; round++) {
      assert.deepEqual(accepted(server, names), ['accepted', 'accepted', 'refused', 'refused']);
    }
  });

  test('in flight is bounded per host', () => {
    const one = { earlyData: { ...plainHost.earlyData, inFlightBytesMax: 16_384 } };
    using server = serverOf([host('a.test', one), host('b.test')]);
    const names = ['a.test', 'a.test', 'b.test', 'b.test'];
    assert.deepEqual(accepted(server, names), ['accepted', 'refused', 'accepted', 'accepted']);
  });

  test('in flight is free again when the client goes away without finishing', () => {
    using server = serverOf([host('a.test')], { earlyDataInFlightBytesMax: 16_384 });
    using client = clientContext();
    for (let round = 0; round < 3; round++) {
      using ticket = meet(server, 'a.test').session!;
      using pair = new Pair(server, client, {
        serverName: 'a.test',
        session: ticket,
        earlyData: early,
      });
      pair.toServer();
      assert.equal(pair.server.received, early.toString());
      if (round === 0) pair.server.connection.receiveEnd();
      else if (round === 1) pair.server.connection.abandon('tls-handshake-timeout');
    }
  });
});

describe('tickets', () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`of one host are not resumed by another (${version})`, () => {
      using server = serverOf([host('a.test'), host('b.test')]);
      using ticket = meet(server, 'a.test', { maxVersion: version }).session!;
      const meetWith = (name: string) => {
        const options = { session: ticket, earlyData: early, maxVersion: version };
        const { record, received, session } = meet(server, name, options);
        session?.[Symbol.dispose]();
        assert.equal(record.outcome, 'complete');
        return { resumed: record.resumed, received };
      };
      assert.deepEqual(meetWith('b.test'), { resumed: false, received: '' });
      const own = meetWith('a.test');
      assert.equal(own.resumed, true);
      assert.equal(own.received, version === 'TLSv1.3' ? early.toString() : '');
    });
  }

  test('are resumed under another name of the same host, without early data', () => {
    using server = serverOf([host('a.test', { names: ['a.test', 'www.a.test'] })]);
    using ticket = meet(server, 'a.test').session!;
    const options = { session: ticket, earlyData: early };
    const { record, session } = meet(server, 'www.a.test', options);
    session?.[Symbol.dispose]();
    assert.equal(record.resumed, true);
    assert.equal(record.earlyDataReason, 'server name changed');
  });

  test('of before a host asked for client certificates are not resumed', () => {
    const authority = certificates['b.test'].certificatePem;
    using before = serverOf([host('a.test')]);
    using ticket = meet(before, 'a.test').session!;
    const required = { mode: 'required', authoritiesPem: authority } as const;
    using now = serverOf([host('a.test', { clientCertificates: required })]);
    const { record, received } = meet(now, 'a.test', { session: ticket, earlyData: early });
    assert.equal(record.outcome, 'failed');
    assert.equal(record.alert, 'certificate_required');
    assert.equal(received, '');
  });
});

describe('client certificates', { skip: makeCertificate.skip }, () => {
  const authority = new Authority();
  const stranger = new Authority('/CN=Stranger');
  const known = authority.issue({ subject: '/CN=alice' });
  const expired = authority.issue({ subject: '/CN=old', days: -1 });
  const unknown = stranger.issue({ subject: '/CN=mallory' });
  const authoritiesPem = authority.certificatePem;
  const asking = (mode: 'optional' | 'required') => ({
    clientCertificates: { mode, authoritiesPem },
  });
  const orders = (mode: 'optional' | 'required') => [
    [host('a.test', asking(mode)), host('b.test')],
    [host('b.test'), host('a.test', asking(mode))],
  ];

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`are required by the host that says so, and not by another (${version})`, () => {
      for (const hosts of orders('required')) {
        using server = serverOf(hosts);
        const maxVersion = version;
        const none = meet(server, 'a.test', { maxVersion });
        assert.equal(none.record.outcome, 'failed');
        assert.equal(none.record.errorCode, 'tls-client-certificate-missing');
        const alert = version === 'TLSv1.3' ? 'certificate_required' : 'handshake_failure';
        assert.equal(none.record.alert, alert);
        assert.equal(none.record.alertSentBy, 'us');
        const shown = meet(server, 'a.test', { certificate: known, maxVersion });
        assert.equal(shown.record.outcome, 'complete');
        shown.session?.[Symbol.dispose]();
        const other = meet(server, 'b.test', { maxVersion });
        assert.equal(other.record.outcome, 'complete');
        other.session?.[Symbol.dispose]();
      }
    });
  }

  test('that are optional may be left out, but not be wrong', () => {
    for (const hosts of orders('optional')) {
      using server = serverOf(hosts);
      for (const options of [{}, { certificate: known }]) {
        const { record, session } = meet(server, 'a.test', options);
        session?.[Symbol.dispose]();
        assert.equal(record.outcome, 'complete');
      }
      const wrong = meet(server, 'a.test', { certificate: unknown });
      assert.equal(wrong.record.outcome, 'failed');
      assert.equal(wrong.record.alert, 'unknown_ca');
      const late = meet(server, 'a.test', { certificate: expired });
      assert.equal(late.record.alert, 'certificate_expired');
      assert.equal(late.record.errorCode, 'tls-certificate-expired');
    }
  });

  test('are known, and again after a resumption with early data', () => {
    using server = serverOf([host('b.test'), host('a.test', asking('required'))]);
    using client = clientContext({ certificate: known });
    using first = new Pair(server, client, { serverName: 'a.test' }).settle();
    const subjects = (pair: Pair) => pair.server.connection.peerCertificates().length;
    assert.equal(subjects(first), 1);
    using session = first.takeSession();
    const target = { serverName: 'a.test', session, earlyData: early };
    using again = new Pair(server, client, target);
    let atEarlyData = 0;
    again.server.answer = () => {
      atEarlyData = subjects(again);
    };
    again.settle();
    assert.equal(again.server.record.earlyData, 'accepted');
    assert.equal(atEarlyData, 1);
  });
});

describe('several certificates of one host', () => {
  const kinds = ['rsa', 'p256', 'ed25519'] as const;

  test('are chosen by what the client can verify', { skip: makeCertificate.skip }, () => {
    const pairs = kinds.map((kind) => makeCertificate(kind));
    using server = serverOf([host('a.test'), host('b.test', { certificates: pairs })]);
    const signatures = ['rsa_pss_rsae_sha256', 'ecdsa_secp256r1_sha256', 'ed25519'].map(
      (scheme) => {
        const { record, session } = meet(server, 'b.test', { signatureSchemes: scheme });
        session?.[Symbol.dispose]();
        return record.signature;
      },
    );
    assert.deepEqual(signatures, ['rsa_pss_rsae_sha256', 'ecdsa_secp256r1_sha256', 'ed25519']);
  });

  test('must differ in the kind of their keys', () => {
    const two = [certificates['a.test'], certificates['b.test']];
    assert.throws(() => serverOf([host('a.test', { certificates: two })]), UsageError);
  });
});

describe('certificates that are replaced', () => {
  test('serve new connections; those that are open stay as they are', () => {
    using server = serverOf([host('a.test'), host('b.test')]);
    using client = clientContext();
    using open = new Pair(server, client, { serverName: 'a.test' }).settle();
    const renewed = certificateFor('a.test');
    server.replaceCertificates(0, [renewed]);
    assert.ok(shows(server, 'a.test', 'a.test', renewed.certificatePem));
    assert.ok(!shows(server, 'a.test', 'a.test', certificates['a.test'].certificatePem));
    assert.ok(shows(server, 'b.test', 'b.test', certificates['b.test'].certificatePem));
    open.client.send('still here');
    open.settle();
    assert.equal(open.server.received, 'still here');
  });

  test('leave tickets valid', () => {
    using server = serverOf([host('a.test')]);
    using ticket = meet(server, 'a.test').session!;
    server.replaceCertificates(0, [certificateFor('a.test')]);
    const { record, session } = meet(server, 'a.test', { session: ticket, earlyData: early });
    session?.[Symbol.dispose]();
    assert.equal(record.earlyData, 'accepted');
  });

  test('stay when the new ones cannot be used', () => {
    using server = serverOf([host('a.test')]);
    const { certificatePem } = certificateFor('a.test');
    const mismatched = { certificatePem, keyPem: certificates['a.test'].keyPem };
    assert.throws(() => server.replaceCertificates(0, [mismatched]), UsageError);
    assert.ok(shows(server, 'a.test', 'a.test', certificates['a.test'].certificatePem));
  });
});
