/** Keys of certificates, and requests for them (PKCS #10, RFC 2986). */
import { createPrivateKey, createPublicKey, generateKeyPair, sign } from 'node:crypto';
import { promisify } from 'node:util';
import {
  bitString,
  encode,
  explicitTag,
  INTEGER,
  identifier,
  OCTET_STRING,
  SEQUENCE,
  SET,
} from '../base/der.ts';
import { SUBJECT_ALT_NAME, signatureAlgorithm, subjectNames } from '../base/x509-parts.ts';
import type { KeyType } from './contract.ts';

/** pkcs-9-at-extensionRequest (RFC 2985 §5.4.2). */
const EXTENSION_REQUEST = '2a864886f70d01090e';
/** The smallest that authorities and browsers take, as most use it. */
const RSA_BITS = 2_048;

const generate = promisify(generateKeyPair);

/** A new key, PEM. An RSA key takes a second at times, on a thread of its own. */
export async function makeCertificateKey(type: KeyType): Promise<string> {
  const { privateKey } =
    type === 'rsa'
      ? await generate('rsa', { modulusLength: RSA_BITS })
      : await generate('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** Asks for a certificate of these names, DER. The subject is empty: names are in the extension. */
export function certificateRequest(keyPem: string, names: readonly string[]): Buffer {
  const key = createPrivateKey(keyPem);
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const extension = encode(
    SEQUENCE,
    identifier(SUBJECT_ALT_NAME),
    encode(OCTET_STRING, subjectNames(names)),
  );
  const request = encode(
    SEQUENCE,
    identifier(EXTENSION_REQUEST),
    encode(SET, encode(SEQUENCE, extension)),
  );
  const info = encode(
    SEQUENCE,
    encode(INTEGER, Buffer.of(0)),
    encode(SEQUENCE),
    publicKey,
    encode(explicitTag(0), request),
  );
  const algorithm = signatureAlgorithm(key.asymmetricKeyType === 'rsa' ? 'rsa' : 'ec');
  return encode(SEQUENCE, info, algorithm, bitString(sign('sha256', info, key)));
}
