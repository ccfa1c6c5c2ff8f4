/** Chance and tokens for tests: chance comes from a seed, so that a run can be had again. */
import { createCipheriv, createDecipheriv, createHash, createHmac } from 'node:crypto';
import type { QuicSecrets } from '../../../src/quic/contracts.ts';

/** Numbers from 0 to 1 from a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Those with one `key` are good for one another, as after a restart. */
export function nodeSecrets(seed: number, key = 'key'): QuicSecrets {
  const random = seeded(seed);
  const tokenKey = createHash('sha256').update(`token ${key}`).digest();
  let nonces = seed * 2 ** 20;
  return {
    fillRandom: (bytes) => {
      for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(random() * 256);
    },
    resetToken: (id) => createHmac('sha256', `reset ${key}`).update(id).digest().subarray(0, 16),
    sealToken: (text, context) => {
      const nonce = Buffer.alloc(12);
      nonce.writeUIntBE(nonces++, 6, 6);
      const cipher = createCipheriv('aes-256-gcm', tokenKey, nonce);
      cipher.setAAD(context);
      return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
    },
    openToken: (token, context) => {
      if (token.length < 28) return undefined;
      const decipher = createDecipheriv('aes-256-gcm', tokenKey, token.subarray(0, 12));
      decipher.setAAD(context);
      decipher.setAuthTag(token.subarray(token.length - 16));
      try {
        const text = decipher.update(token.subarray(12, token.length - 16));
        decipher.final();
        return text;
      } catch {
        return undefined;
      }
    },
  };
}
