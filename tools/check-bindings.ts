/**
 * Compares every native binding with its C prototype: OpenSSL's and libuv's headers, which ship with
 * the pinned Node, and for libc the manual pages' prototypes below, themselves compared with
 * /usr/include where that exists. A wrong signature corrupts memory silently, so it must fail here.
 *
 *     node tools/check-bindings.ts
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { boundSignatures, type Signature } from '../src/native/load.ts';
import { type CType, type MachineType, type Prototype, PrototypeTable } from './c-prototypes.ts';

const ROOT = path.resolve(import.meta.dirname, '..');

/** From the manual pages, section 2 and 3, of the functions of libc that native/ binds. */
export const LIBC_PROTOTYPES = `
int clock_gettime(clockid_t clockid, struct timespec *tp);
int *__errno_location(void);
void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
int munmap(void *addr, size_t length);
int memfd_create(const char *name, unsigned int flags);
int ftruncate(int fd, off_t length);
int close(int fd);
int flock(int fd, int op);
int fcntl(int fd, int op, ...);
int socket(int domain, int type, int protocol);
int bind(int sockfd, const struct sockaddr *addr, socklen_t addrlen);
int listen(int sockfd, int backlog);
int accept4(int sockfd, struct sockaddr *addr, socklen_t *addrlen, int flags);
int connect(int sockfd, const struct sockaddr *addr, socklen_t addrlen);
int shutdown(int sockfd, int how);
int getsockname(int sockfd, struct sockaddr *addr, socklen_t *addrlen);
int getsockopt(int sockfd, int level, int optname, void *optval, socklen_t *optlen);
int setsockopt(int sockfd, int level, int optname, const void *optval, socklen_t optlen);
ssize_t recv(int sockfd, void *buf, size_t len, int flags);
ssize_t send(int sockfd, const void *buf, size_t len, int flags);
ssize_t sendmsg(int sockfd, const struct msghdr *msg, int flags);
int recvmmsg(int sockfd, struct mmsghdr *msgvec, unsigned int vlen, int flags,
    struct timespec *timeout);
int inet_pton(int af, const char *src, void *dst);
const char *inet_ntop(int af, const void *src, char *dst, socklen_t size);
int epoll_create1(int flags);
int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout);
int fallocate(int fd, int mode, off_t offset, off_t len);
ssize_t preadv2(int fd, const struct iovec *iov, int iovcnt, off_t offset, int flags);
void *memcpy(void *dest, const void *src, size_t n);
int memcmp(const void *s1, const void *s2, size_t n);
int strcasecmp(const char *s1, const char *s2);
`;

/** A declared type that differs from C's and is right all the same. */
export interface Allowance {
  readonly where: 'argument' | 'return';
  /** Machine type of the C declaration, or its exact text. */
  readonly c: MachineType | string;
  readonly bound: MachineType;
  readonly reason: string;
}

export const ALLOWANCES: readonly Allowance[] = [
  {
    where: 'argument',
    c: 'size_t',
    bound: 'u32',
    reason:
      'We pass no length over 2 GiB, and a write to a 32-bit register clears the upper half on ' +
      'x86-64 and arm64; a BigInt per call would cost more than the call.',
  },
  {
    where: 'return',
    c: 'size_t',
    bound: 'u32',
    reason: 'The result is at most the length that was passed, so its upper half is 0.',
  },
  {
    where: 'return',
    c: 'ssize_t',
    bound: 'i32',
    reason: 'At most the length that was passed, or -1: the lower half is the same number.',
  },
  {
    where: 'return',
    c: 'long',
    bound: 'i32',
    reason: 'For flags, counts and X509_V_ codes, which fit; the lower half is the same number.',
  },
  {
    where: 'return',
    c: 'unsigned long',
    bound: 'u32',
    reason: "OpenSSL's packed error codes and option words that fit in 32 bits.",
  },
  {
    where: 'argument',
    c: 'u32',
    bound: 'i32',
    reason: 'The same 32 bits of the register; used for enumerations and small flags.',
  },
  {
    where: 'argument',
    c: 'i32',
    bound: 'u32',
    reason: 'The same 32 bits of the register; used for flags and lengths, which are not negative.',
  },
];

function isAllowed(where: Allowance['where'], type: CType, bound: MachineType): boolean {
  // A result nobody looks at may be left in its register.
  if (where === 'return' && bound === 'void') return true;
  return ALLOWANCES.some(
    (allowance) =>
      allowance.where === where &&
      allowance.bound === bound &&
      (allowance.c === type.machine || allowance.c === type.text),
  );
}

/** What is wrong with a binding against one prototype; empty when nothing is. */
export function differences(signature: Signature, prototype: Prototype): string[] {
  const found: string[] = [];
  const compare = (where: Allowance['where'], what: string, type: CType, bound: MachineType) => {
    if (type.machine === bound || isAllowed(where, type, bound)) return;
    found.push(`${what} is bound as ${bound}, C says ${type.text} (${type.machine})`);
  };
  compare('return', 'the result', prototype.returns, signature.return);
  const { parameters, variadic } = prototype;
  const count = signature.arguments.length;
  if (count < parameters.length || (count > parameters.length && !variadic)) {
    found.push(`${count} arguments are bound, C says ${parameters.length}`);
  }
  signature.arguments.forEach((bound, index) => {
    const type = parameters[index];
    if (type !== undefined) compare('argument', `argument ${index + 1}`, type, bound);
  });
  return found;
}

/** Faults of all given bindings, one line each. */
export function checkSignatures(
  signatures: Iterable<readonly [string, Signature]>,
  prototypes: PrototypeTable,
): string[] {
  const faults: string[] = [];
  for (const [name, signature] of signatures) {
    const candidates = prototypes.of(name);
    if (candidates.length === 0) faults.push(`${name}: no prototype found`);
    // Branches of `#if` differ at most by version: one of them is the compiled one.
    const results = candidates.map((prototype) => differences(signature, prototype));
    if (results.some((result) => result.length === 0)) continue;
    for (const difference of results[0] ?? []) faults.push(`${name}: ${difference}`);
  }
  return faults;
}

/** Headers shipped beside the running Node binary. */
export function shippedHeaders(): string[] {
  const include = path.resolve(path.dirname(process.execPath), '../include/node');
  const platform = process.arch === 'arm64' ? 'linux-aarch64' : 'linux-x86_64';
  const folders = [
    path.join(include, 'openssl'),
    path.join(include, 'openssl/archs', platform, 'asm/include/openssl'),
    path.join(include, 'uv'),
  ];
  const files = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.h'))
      .map((name) => path.join(folder, name)),
  );
  return [path.join(include, 'uv.h'), ...files].map((file) => readFileSync(file, 'latin1'));
}

/** Prototypes of everything we may bind. */
export function knownPrototypes(): PrototypeTable {
  return new PrototypeTable([
    ...shippedHeaders(),
    LIBC_PROTOTYPES,
    MACRO_PROTOTYPES,
    UNNAMED_CALLBACK_TYPES,
  ]);
}

const SYSTEM_HEADERS = [
  'errno.h',
  'bits/errno.h',
  'sys/mman.h',
  'bits/mman-shared.h',
  'unistd.h',
  'fcntl.h',
  'bits/fcntl-linux.h',
  'sys/file.h',
  'sys/socket.h',
  'arpa/inet.h',
  'sys/epoll.h',
  'sys/uio.h',
  'string.h',
  'strings.h',
  'time.h',
];

/**
 * The same functions as declared by this machine's C library; null where its headers are not
 * installed.
 */
export function systemPrototypes(): PrototypeTable | null {
  const triple = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const roots = ['/usr/include', path.join('/usr/include', triple)];
  const files = roots
    .flatMap((root) => SYSTEM_HEADERS.map((name) => path.join(root, name)))
    .filter((file) => existsSync(file));
  if (files.length === 0) return null;
  return new PrototypeTable(files.map((file) => readFileSync(file, 'latin1')));
}

/** Where the transcribed prototypes and the system's headers disagree. */
export function checkTranscription(system: PrototypeTable): string[] {
  const transcribed = new PrototypeTable([LIBC_PROTOTYPES]);
  const faults: string[] = [];
  for (const name of libcNames()) {
    const [ours] = transcribed.of(name);
    const theirs = system.of(name);
    if (ours === undefined) faults.push(`${name}: not transcribed`);
    else if (theirs.length === 0) faults.push(`${name}: not found in the system's headers`);
    else if (!theirs.some((prototype) => shape(prototype) === shape(ours))) {
      faults.push(`${name}: transcribed as ${shape(ours)}, declared as ${shape(theirs[0]!)}`);
    }
  }
  return faults;
}

/** Names of the transcribed functions. */
export function libcNames(): string[] {
  return [...LIBC_PROTOTYPES.matchAll(/(\w+)\(/g)].map((match) => match[1]!);
}

function shape(prototype: Prototype): string {
  const parameters = prototype.parameters.map((type) => type.machine);
  if (prototype.variadic) parameters.push('...' as MachineType);
  return `${prototype.returns.machine} (${parameters.join(', ')})`;
}

/**
 * The callbacks that each module of native/ registers, in the order of its text: the name of the C
 * pointer type. OpenSSL gives the last one no name of its own.
 */
export const CALLBACK_TYPES: Readonly<Record<string, readonly string[]>> = {
  'uv-poll.ts': ['uv_poll_cb', 'uv_close_cb'],
  'session-callbacks.ts': [
    'SSL_allow_early_data_cb_fn',
    'SSL_CTX_generate_session_ticket_fn',
    'SSL_CTX_decrypt_session_ticket_fn',
  ],
  'ssl-context.ts': ['tlsext_status_cb', 'SSL_CTX_keylog_cb_func', 'SSL_CTX_alpn_select_cb_func'],
  'ticket-keys.ts': ['ticket_key_evp_cb'],
  'client-hello.ts': ['SSL_client_hello_cb_fn'],
  'info-observer.ts': ['ssl_info_cb'],
  'quic/quic-tls.ts': [
    'quic_tls_crypto_send',
    'quic_tls_crypto_recv_rcd',
    'quic_tls_crypto_release_rcd',
    'quic_tls_yield_secret',
    'quic_tls_got_transport_params',
    'quic_tls_alert',
  ],
};

/**
 * From the manuals of SSL_CTX_set_tlsext_ticket_key_evp_cb, …_status_cb, …_set_info_callback, and
 * SSL_set_quic_tls_cbs (declared by macros in core_dispatch.h).
 */
const UNNAMED_CALLBACK_TYPES = `
typedef int (*tlsext_status_cb)(SSL *s, void *arg);
typedef int (*ticket_key_evp_cb)(SSL *s, unsigned char key_name[16],
    unsigned char iv[EVP_MAX_IV_LENGTH], EVP_CIPHER_CTX *ctx, EVP_MAC_CTX *hctx, int enc);
typedef void (*ssl_info_cb)(const SSL *ssl, int type, int val);
typedef int (*quic_tls_crypto_send)(SSL *s, const unsigned char *buf, size_t buf_len,
    size_t *consumed, void *arg);
typedef int (*quic_tls_crypto_recv_rcd)(SSL *s, const unsigned char **buf, size_t *bytes_read,
    void *arg);
typedef int (*quic_tls_crypto_release_rcd)(SSL *s, size_t bytes_read, void *arg);
typedef int (*quic_tls_yield_secret)(SSL *s, uint32_t prot_level, int direction,
    const unsigned char *secret, size_t secret_len, void *arg);
typedef int (*quic_tls_got_transport_params)(SSL *s, const unsigned char *params,
    size_t params_len, void *arg);
typedef int (*quic_tls_alert)(SSL *s, unsigned char alert_code, void *arg);
`;

/**
 * From the manual pages, of functions that the headers declare by macros: STACK_OF(X509) for an
 * opaque struct, DECLARE_ASN1_FUNCTIONS for a type's constructor, destructor and encoding.
 */
const MACRO_PROTOTYPES = `
struct stack_st_X509 *SSL_get_peer_cert_chain(const SSL *ssl);
int OCSP_basic_verify(OCSP_BASICRESP *bs, struct stack_st_X509 *certs, X509_STORE *st,
    unsigned long flags);
OCSP_REQUEST *OCSP_REQUEST_new(void);
void OCSP_REQUEST_free(OCSP_REQUEST *a);
int i2d_OCSP_REQUEST(const OCSP_REQUEST *a, unsigned char **out);
OCSP_RESPONSE *d2i_OCSP_RESPONSE(OCSP_RESPONSE **a, const unsigned char **in, long length);
void OCSP_RESPONSE_free(OCSP_RESPONSE *a);
void OCSP_BASICRESP_free(OCSP_BASICRESP *a);
void OCSP_CERTID_free(OCSP_CERTID *a);
`;

/** Signatures of the callbacks in one module's text, in its order. */
export function callbackSignatures(text: string): Signature[] {
  return [...text.matchAll(/new Callback\(\s*(?:'[\w-]+',\s*)?(\{[^}]*\})/g)].map((match) => {
    const types = [...match[1]!.matchAll(/'(\w+)'/g)].map((word) => word[1] as MachineType);
    return { arguments: types.slice(0, -1), return: types.at(-1)! };
  });
}

/** Faults of the callbacks of all modules of native/. */
export function checkCallbacks(prototypes: PrototypeTable): string[] {
  const faults: string[] = [];
  for (const [name, text] of nativeModules()) {
    const found = callbackSignatures(text);
    const types = CALLBACK_TYPES[name] ?? [];
    if (found.length !== types.length) {
      faults.push(`${name}: ${found.length} callbacks, CALLBACK_TYPES names ${types.length}`);
      continue;
    }
    const named = types.map((type, index) => [type, found[index]!] as const);
    for (const fault of checkSignatures(named, prototypes)) faults.push(`${name}: ${fault}`);
  }
  return faults;
}

function nativeModules(): (readonly [name: string, text: string])[] {
  const folder = path.join(ROOT, 'src/native');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && name !== 'load.ts')
    .map((name) => [name, readFileSync(path.join(folder, name), 'utf8')]);
}

/** Loads every module of native/ that binds something, so that `boundSignatures` is complete. */
export async function loadEveryTable(): Promise<number> {
  let count = 0;
  for (const [name, text] of nativeModules()) {
    if (!/\bbind\(\{/.test(text)) continue;
    await import(path.join(ROOT, 'src/native', name));
    count++;
  }
  return count;
}

if (process.argv[1] === import.meta.filename) {
  await loadEveryTable();
  const prototypes = knownPrototypes();
  const faults = [...checkSignatures(boundSignatures(), prototypes), ...checkCallbacks(prototypes)];
  const system = systemPrototypes();
  if (system === null) console.log('libc headers are not installed: manual pages only');
  else faults.push(...checkTranscription(system));
  for (const fault of faults) console.error(fault);
  console.log(`${boundSignatures().size} bindings, ${faults.length} faults`);
  if (faults.length > 0) process.exitCode = 1;
}
