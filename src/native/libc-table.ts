/**
 * libc by its C names; see the modules beside this one for our words. Lengths that are `size_t` or
 * `ssize_t` in C are declared as 32 bits where we never pass more: a BigInt per call is dearer than
 * the call, and both calling conventions (x86-64 System V, AAPCS64) widen them for us.
 */
import { bind } from './load.ts';

export const libc = bind({
  __errno_location: { arguments: [], return: 'pointer' },
  mmap: { arguments: ['pointer', 'u64', 'i32', 'i32', 'i32', 'i64'], return: 'pointer' },
  munmap: { arguments: ['pointer', 'u64'], return: 'i32' },
  memfd_create: { arguments: ['pointer', 'u32'], return: 'i32' },
  ftruncate: { arguments: ['i32', 'i64'], return: 'i32' },
  close: { arguments: ['i32'], return: 'i32' },
  recv: { arguments: ['i32', 'pointer', 'u32', 'i32'], return: 'i32' },
  send: { arguments: ['i32', 'pointer', 'u32', 'i32'], return: 'i32' },
});
