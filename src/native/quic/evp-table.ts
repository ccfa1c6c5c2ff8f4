/**
 * The ciphers and MACs of OpenSSL that QUIC needs on its own, by their C names. None calls us back, so
 * that all may be called directly.
 */
import { bind } from '../load.ts';

export const evp = bind({
  EVP_CIPHER_CTX_new: { arguments: [], return: 'pointer' },
  EVP_CIPHER_CTX_free: { arguments: ['pointer'], return: 'void' },
  EVP_CIPHER_CTX_ctrl: { arguments: ['pointer', 'i32', 'i32', 'pointer'], return: 'i32' },
  EVP_CIPHER_CTX_set_padding: { arguments: ['pointer', 'i32'], return: 'i32' },
  EVP_CipherInit_ex2: {
    arguments: ['pointer', 'pointer', 'pointer', 'pointer', 'i32', 'pointer'],
    return: 'i32',
  },
  EVP_CipherUpdate: {
    arguments: ['pointer', 'pointer', 'pointer', 'pointer', 'i32'],
    return: 'i32',
  },
  EVP_CipherFinal_ex: { arguments: ['pointer', 'pointer', 'pointer'], return: 'i32' },
  EVP_MAC_fetch: { arguments: ['pointer', 'pointer', 'pointer'], return: 'pointer' },
  EVP_MAC_CTX_new: { arguments: ['pointer'], return: 'pointer' },
  EVP_MAC_CTX_set_params: { arguments: ['pointer', 'pointer'], return: 'i32' },
  EVP_MAC_update: { arguments: ['pointer', 'pointer', 'u32'], return: 'i32' },
  EVP_MAC_final: { arguments: ['pointer', 'pointer', 'pointer', 'u32'], return: 'i32' },
});
