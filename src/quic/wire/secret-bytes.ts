import { assert } from '../../base/assert.ts';

/** Whether the bytes before `end` are `secret`; the time tells nothing of how many of them are right. */
export function endsInSecret(bytes: Uint8Array, end: number, secret: Uint8Array): boolean {
  assert(secret.length > 0, 'nothing is no secret');
  const start = end - secret.length;
  let difference = 0;
  for (let i = 0; i < secret.length; i++) difference |= secret[i]! ^ bytes[start + i]!;
  return difference === 0;
}
