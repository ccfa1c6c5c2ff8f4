/** Whether the Node that runs us has all that we call: asked of versions that we do not know. */
import './libc-table.ts';
import './openssl-table.ts';
import './uv-table.ts';

/** The OpenSSL whose structures and rules of calling we know; later patches of it keep both. */
const OPENSSL = '3.5.';
const LIBUV = '1.';

/**
 * What is missing in this Node, as the end of a sentence; null for nothing. Throws what `bind` throws
 * when a function is not there (with the import of this file, before it is called).
 */
export function runtimeFault(versions: NodeJS.ProcessVersions = process.versions): string | null {
  if (!versions.openssl.startsWith(OPENSSL)) return `its OpenSSL is ${versions.openssl}`;
  if (!versions.uv.startsWith(LIBUV)) return `its libuv is ${versions.uv}`;
  return null;
}
