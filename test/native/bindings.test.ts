import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { boundSignatures, type Signature } from '../../src/native/load.ts';
import { PrototypeTable } from '../../tools/c-prototypes.ts';
import {
  ALLOWANCES,
  callbackSignatures,
  checkCallbacks,
  checkSignatures,
  checkTranscription,
  knownPrototypes,
  libcNames,
  loadEveryTable,
  systemPrototypes,
} from '../../tools/check-bindings.ts';

describe('native bindings', () => {
  let prototypes: PrototypeTable;

  before(async () => {
    assert.ok((await loadEveryTable()) >= 2, 'the libc and libuv tables are found');
    prototypes = knownPrototypes();
  });

  const faultsOf = (name: string, signature: Signature): string[] =>
    checkSignatures([[name, signature]], prototypes);

  it('have the signatures that the C headers declare', () => {
    assert.ok(boundSignatures().size >= libcNames().length);
    assert.deepEqual(checkSignatures(boundSignatures(), prototypes), []);
  });

  it('of callbacks are those of the C pointer types', () => {
    assert.deepEqual(checkCallbacks(prototypes), []);
    assert.match(
      faultsOf('uv_poll_cb', { arguments: ['pointer'], return: 'void' }).join(),
      /1 arg/,
    );
  });

  it('of callbacks are found in the text of a module', () => {
    const text = `new Callback(\n 'alpn',\n { arguments: ['pointer', 'i32'], return: 'void' }, () => 0)`;
    assert.deepEqual(callbackSignatures(text), [{ arguments: ['pointer', 'i32'], return: 'void' }]);
  });

  it('of libc agree with the headers of this machine', (t) => {
    const system = systemPrototypes();
    if (system === null) {
      t.skip('no libc headers under /usr/include: compared with the manual pages only');
      return;
    }
    assert.deepEqual(checkTranscription(system), []);
  });

  it('are refused when an argument is missing', () => {
    const signature: Signature = { arguments: ['i32', 'pointer', 'u32'], return: 'i32' };
    assert.deepEqual(faultsOf('recv', signature), ['recv: 3 arguments are bound, C says 4']);
  });

  it('are refused when a 64-bit argument is bound as signed 32 bits', () => {
    const signature: Signature = { arguments: ['i32', 'pointer', 'i32', 'i32'], return: 'i32' };
    assert.match(faultsOf('recv', signature).join(), /argument 3 is bound as i32, C says size_t/);
  });

  it('are refused when an integer is bound as a pointer', () => {
    const signature: Signature = { arguments: ['pointer', 'pointer'], return: 'pointer' };
    assert.match(faultsOf('SSL_CTX_set_max_early_data', signature).join('\n'), /argument 2/);
    assert.match(faultsOf('SSL_CTX_set_max_early_data', signature).join('\n'), /the result/);
  });

  it('are refused when a result in 64 bits would be cut', () => {
    const signature: Signature = { arguments: [], return: 'i32' };
    assert.match(faultsOf('__errno_location', signature).join(), /result is bound as i32/);
  });

  it('are refused when C does not know the function', () => {
    const signature: Signature = { arguments: [], return: 'void' };
    assert.deepEqual(faultsOf('SSL_no_such_function', signature), [
      'SSL_no_such_function: no prototype found',
    ]);
  });

  it('pass when every argument has its C type', () => {
    const read: Signature = { arguments: ['pointer', 'pointer', 'u64', 'pointer'], return: 'i32' };
    assert.deepEqual(faultsOf('SSL_read_early_data', read), []);
    const options: Signature = { arguments: ['pointer', 'u64'], return: 'u64' };
    assert.deepEqual(faultsOf('SSL_CTX_set_options', options), []);
    const callback: Signature = { arguments: ['pointer', 'pointer', 'pointer'], return: 'void' };
    assert.deepEqual(faultsOf('SSL_CTX_set_client_hello_cb', callback), []);
  });

  it('are found when a macro declares the function', () => {
    const signature: Signature = { arguments: Array(4).fill('pointer'), return: 'pointer' };
    assert.deepEqual(faultsOf('PEM_read_bio_X509', signature), []);
  });

  it('narrow a type only where a reason is written down', () => {
    for (const { reason } of ALLOWANCES) assert.match(reason, /^[A-Z].{20,}\.$/);
  });
});

describe('prototypes', () => {
  const parse = (text: string) => new PrototypeTable([text]);

  it('are read through comments, attributes and line breaks', () => {
    const table = parse(`
      /* int f(void); */
      extern ssize_t f (int fd, /* here */ const void *__restrict buf,
                        size_t n) __THROW __wur;
    `);
    const [prototype] = table.of('f');
    assert.equal(prototype?.returns.machine, 'i64');
    assert.deepEqual(
      prototype?.parameters.map((type) => type.machine),
      ['i32', 'pointer', 'u64'],
    );
  });

  it('follow typedefs of integers, enumerations and function pointers', () => {
    const table = parse(`
      typedef unsigned long ulong_t;
      typedef enum { A, B } letter;
      typedef int (*callback)(void *, int);
      ulong_t g(letter which, callback cb, void (*plain)(int, char *), unsigned char out[16]);
    `);
    const [prototype] = table.of('g');
    assert.equal(prototype?.returns.machine, 'u64');
    assert.deepEqual(
      prototype?.parameters.map((type) => type.machine),
      ['u32', 'pointer', 'pointer', 'pointer'],
    );
  });

  it('of functions that return function pointers return pointers', () => {
    const [prototype] = parse('void (*get_cb(const T *ctx))(int, int);').of('get_cb');
    assert.equal(prototype?.returns.machine, 'pointer');
    assert.equal(prototype?.parameters.length, 1);
  });

  it('are left out when a type is unknown', () => {
    assert.deepEqual(parse('struct_by_value f(int);').of('f'), []);
  });
});
