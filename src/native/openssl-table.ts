/**
 * The OpenSSL inside the Node binary, by its C names; see the modules beside this one for our
 * words. A `size_t` is declared as 32 bits where we never pass more, and a `long` result as 32 bits
 * where it is a flag: a BigInt per call is dearer than the call.
 *
 * `direct` only where no callback of ours can run inside the call (load.ts). Those that can: every
 * call that may advance a server's handshake (SSL_do_handshake, SSL_read_early_data).
 */
import { bind } from './load.ts';

export const libssl = bind({
  TLS_server_method: { arguments: [], return: 'pointer' },
  TLS_client_method: { arguments: [], return: 'pointer' },

  SSL_CTX_new: { arguments: ['pointer'], return: 'pointer' },
  SSL_CTX_free: { arguments: ['pointer'], return: 'void' },
  SSL_CTX_ctrl: { arguments: ['pointer', 'i32', 'i64', 'pointer'], return: 'i32' },
  SSL_CTX_set_options: { arguments: ['pointer', 'u64'], return: 'u64' },
  SSL_CTX_set_cipher_list: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_CTX_set_ciphersuites: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_CTX_use_certificate: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_CTX_use_PrivateKey: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_CTX_check_private_key: { arguments: ['pointer'], return: 'i32' },
  SSL_CTX_set_alpn_select_cb: { arguments: ['pointer', 'pointer', 'pointer'], return: 'void' },
  SSL_CTX_set_alpn_protos: { arguments: ['pointer', 'pointer', 'u32'], return: 'i32' },
  SSL_CTX_set_max_early_data: { arguments: ['pointer', 'u32'], return: 'i32' },
  SSL_CTX_set_recv_max_early_data: { arguments: ['pointer', 'u32'], return: 'i32' },
  SSL_CTX_set_num_tickets: { arguments: ['pointer', 'u32'], return: 'i32' },
  SSL_CTX_set_timeout: { arguments: ['pointer', 'i64'], return: 'i64' },
  SSL_CTX_set_session_id_context: { arguments: ['pointer', 'pointer', 'u32'], return: 'i32' },
  SSL_CTX_set_tlsext_ticket_key_evp_cb: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_CTX_set_allow_early_data_cb: {
    arguments: ['pointer', 'pointer', 'pointer'],
    return: 'void',
  },
  SSL_CTX_set_info_callback: { arguments: ['pointer', 'pointer'], return: 'void' },
  SSL_CTX_set_client_hello_cb: { arguments: ['pointer', 'pointer', 'pointer'], return: 'void' },
  SSL_CTX_set_verify: { arguments: ['pointer', 'i32', 'pointer'], return: 'void' },
  SSL_CTX_get_cert_store: { arguments: ['pointer'], return: 'pointer' },
  SSL_CTX_load_verify_file: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_CTX_load_verify_dir: { arguments: ['pointer', 'pointer'], return: 'i32' },

  SSL_new: { arguments: ['pointer'], return: 'pointer' },
  SSL_get_client_random: { arguments: ['pointer', 'pointer', 'u32'], return: 'u32' },
  SSL_client_hello_get0_random: { arguments: ['pointer', 'pointer'], return: 'u32' },
  SSL_client_hello_get0_ext: {
    arguments: ['pointer', 'u32', 'pointer', 'pointer'],
    return: 'i32',
  },
  SSL_CTX_callback_ctrl: { arguments: ['pointer', 'i32', 'pointer'], return: 'i32' },
  SSL_CTX_set_keylog_callback: { arguments: ['pointer', 'pointer'], return: 'void' },
  SSL_CTX_compress_certs: { arguments: ['pointer', 'i32'], return: 'i32' },
  SSL_CTX_add_client_CA: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_get_certificate: { arguments: ['pointer'], return: 'pointer' },
  SSL_get0_peer_certificate: { arguments: ['pointer'], return: 'pointer' },
  SSL_get_peer_cert_chain: { arguments: ['pointer'], return: 'pointer' },
  SSL_set_SSL_CTX: { arguments: ['pointer', 'pointer'], return: 'pointer' },
  SSL_set_verify: { arguments: ['pointer', 'i32', 'pointer'], return: 'void' },
  SSL_set_session_id_context: { arguments: ['pointer', 'pointer', 'u32'], return: 'i32' },
  SSL_set_max_early_data: { arguments: ['pointer', 'u32'], return: 'i32' },
  SSL_set_recv_max_early_data: { arguments: ['pointer', 'u32'], return: 'i32' },
  SSL_free: { arguments: ['pointer'], return: 'void' },
  SSL_ctrl: { arguments: ['pointer', 'i32', 'i64', 'pointer'], return: 'i32' },
  SSL_set_accept_state: { arguments: ['pointer'], return: 'void' },
  SSL_set_connect_state: { arguments: ['pointer'], return: 'void' },
  SSL_set_bio: { arguments: ['pointer', 'pointer', 'pointer'], return: 'void' },
  SSL_do_handshake: { arguments: ['pointer'], return: 'i32' },
  SSL_read_early_data: { arguments: ['pointer', 'pointer', 'u32', 'pointer'], return: 'i32' },
  SSL_write_early_data: { arguments: ['pointer', 'pointer', 'u32', 'pointer'], return: 'i32' },
  SSL_read: { arguments: ['pointer', 'pointer', 'i32'], return: 'i32' },
  SSL_write: { arguments: ['pointer', 'pointer', 'i32'], return: 'i32' },
  SSL_shutdown: { arguments: ['pointer'], return: 'i32' },
  SSL_key_update: { arguments: ['pointer', 'i32'], return: 'i32' },
  SSL_get_error: { arguments: ['pointer', 'i32'], return: 'i32' },
  SSL_get_version: { arguments: ['pointer'], return: 'pointer' },
  SSL_get_current_cipher: { arguments: ['pointer'], return: 'pointer' },
  SSL_CIPHER_standard_name: { arguments: ['pointer'], return: 'pointer' },
  SSL_get0_group_name: { arguments: ['pointer'], return: 'pointer' },
  SSL_get_servername: { arguments: ['pointer', 'i32'], return: 'pointer' },
  SSL_get0_alpn_selected: { arguments: ['pointer', 'pointer', 'pointer'], return: 'void' },
  SSL_select_next_proto: {
    arguments: ['pointer', 'pointer', 'pointer', 'u32', 'pointer', 'u32'],
    return: 'i32',
  },
  SSL_get_state: { arguments: ['pointer'], return: 'u32' },
  SSL_state_string_long: { arguments: ['pointer'], return: 'pointer' },
  SSL_session_reused: { arguments: ['pointer'], return: 'i32' },
  SSL_get_early_data_status: { arguments: ['pointer'], return: 'i32' },
  SSL_get_verify_result: { arguments: ['pointer'], return: 'i32' },
  SSL_get0_param: { arguments: ['pointer'], return: 'pointer' },
  SSL_get_session: { arguments: ['pointer'], return: 'pointer' },
  SSL_set_session: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_SESSION_get0_hostname: { arguments: ['pointer'], return: 'pointer' },
  SSL_SESSION_set1_hostname: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_SESSION_get0_alpn_selected: { arguments: ['pointer', 'pointer', 'pointer'], return: 'void' },
  SSL_SESSION_is_resumable: { arguments: ['pointer'], return: 'i32' },
  SSL_SESSION_get_max_early_data: { arguments: ['pointer'], return: 'u32' },
  SSL_SESSION_dup: { arguments: ['pointer'], return: 'pointer' },
  SSL_SESSION_free: { arguments: ['pointer'], return: 'void' },
});

export const libcrypto = bind({
  BIO_s_mem: { arguments: [], return: 'pointer' },
  BIO_new: { arguments: ['pointer'], return: 'pointer' },
  BIO_new_mem_buf: { arguments: ['pointer', 'i32'], return: 'pointer' },
  BIO_free: { arguments: ['pointer'], return: 'i32' },
  BIO_read: { arguments: ['pointer', 'pointer', 'i32'], return: 'i32' },
  BIO_ctrl: { arguments: ['pointer', 'i32', 'i64', 'pointer'], return: 'i32' },
  BIO_ctrl_pending: { arguments: ['pointer'], return: 'u32' },
  BUF_MEM_new: { arguments: [], return: 'pointer' },
  BUF_MEM_free: { arguments: ['pointer'], return: 'void' },
  BUF_MEM_grow: { arguments: ['pointer', 'u32'], return: 'u32' },
  OPENSSL_sk_new_null: { arguments: [], return: 'pointer' },
  OPENSSL_sk_num: { arguments: ['pointer'], return: 'i32' },
  OPENSSL_sk_value: { arguments: ['pointer', 'i32'], return: 'pointer' },
  OPENSSL_sk_free: { arguments: ['pointer'], return: 'void' },

  CRYPTO_malloc: { arguments: ['u32', 'pointer', 'i32'], return: 'pointer' },

  ERR_clear_error: { arguments: [], return: 'void' },
  // An `unsigned long` in C: of what it holds the low 32 bits tell an error from none.
  ERR_peek_error: { arguments: [], return: 'u32' },
  ERR_get_error: { arguments: [], return: 'u64' },
  ERR_reason_error_string: { arguments: ['u64'], return: 'pointer' },

  PEM_read_bio_X509: { arguments: ['pointer', 'pointer', 'pointer', 'pointer'], return: 'pointer' },
  PEM_read_bio_PrivateKey: {
    arguments: ['pointer', 'pointer', 'pointer', 'pointer'],
    return: 'pointer',
  },
  i2d_X509_bio: { arguments: ['pointer', 'pointer'], return: 'i32' },
  X509_free: { arguments: ['pointer'], return: 'void' },
  X509_check_private_key: { arguments: ['pointer', 'pointer'], return: 'i32' },
  X509_get0_notBefore: { arguments: ['pointer'], return: 'pointer' },
  X509_get0_notAfter: { arguments: ['pointer'], return: 'pointer' },
  X509_cmp_current_time: { arguments: ['pointer'], return: 'i32' },
  X509_STORE_add_cert: { arguments: ['pointer', 'pointer'], return: 'i32' },
  X509_VERIFY_PARAM_set1_host: { arguments: ['pointer', 'pointer', 'u32'], return: 'i32' },
  X509_VERIFY_PARAM_set1_ip_asc: { arguments: ['pointer', 'pointer'], return: 'i32' },
  X509_VERIFY_PARAM_set_hostflags: { arguments: ['pointer', 'u32'], return: 'void' },
  X509_verify_cert_error_string: { arguments: ['i64'], return: 'pointer' },
  EVP_PKEY_get0_type_name: { arguments: ['pointer'], return: 'pointer' },
  EVP_PKEY_free: { arguments: ['pointer'], return: 'void' },

  EVP_CIPHER_fetch: { arguments: ['pointer', 'pointer', 'pointer'], return: 'pointer' },
  EVP_CIPHER_free: { arguments: ['pointer'], return: 'void' },
  EVP_EncryptInit_ex2: {
    arguments: ['pointer', 'pointer', 'pointer', 'pointer', 'pointer'],
    return: 'i32',
  },
  EVP_DecryptInit_ex2: {
    arguments: ['pointer', 'pointer', 'pointer', 'pointer', 'pointer'],
    return: 'i32',
  },
  EVP_MAC_init: { arguments: ['pointer', 'pointer', 'u32', 'pointer'], return: 'i32' },
  RAND_bytes: { arguments: ['pointer', 'i32'], return: 'i32' },
});

/** Copying to and from the addresses that OpenSSL hands us. */
export const libcMemory = bind({
  memcpy: { arguments: ['pointer', 'pointer', 'u32'], return: 'pointer' },
  strcasecmp: { arguments: ['pointer', 'pointer'], return: 'i32' },
  memcmp: { arguments: ['pointer', 'pointer', 'u32'], return: 'i32' },
});
