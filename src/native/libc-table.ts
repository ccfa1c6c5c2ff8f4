/**
 * libc by its C names; see the modules beside this one for our words. Lengths that are `size_t` or
 * `ssize_t` in C are declared as 32 bits where we never pass more: a BigInt per call is dearer than
 * the call. tools/check-bindings.ts compares every signature with C's and lists why each such
 * narrowing is right.
 */
import { bind } from './load.ts';

export const libc = bind({
  clock_gettime: { arguments: ['i32', 'pointer'], return: 'i32' },
  __errno_location: { arguments: [], return: 'pointer' },
  mmap: { arguments: ['pointer', 'u64', 'i32', 'i32', 'i32', 'i64'], return: 'pointer' },
  munmap: { arguments: ['pointer', 'u64'], return: 'i32' },
  memfd_create: { arguments: ['pointer', 'u32'], return: 'i32' },
  ftruncate: { arguments: ['i32', 'i64'], return: 'i32' },
  close: { arguments: ['i32'], return: 'i32' },
  flock: { arguments: ['i32', 'i32'], return: 'i32' },
  fcntl: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  bind: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  listen: { arguments: ['i32', 'i32'], return: 'i32' },
  accept4: { arguments: ['i32', 'pointer', 'pointer', 'i32'], return: 'i32' },
  connect: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  shutdown: { arguments: ['i32', 'i32'], return: 'i32' },
  getsockname: { arguments: ['i32', 'pointer', 'pointer'], return: 'i32' },
  getsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'pointer'], return: 'i32' },
  setsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'u32'], return: 'i32' },
  recv: { arguments: ['i32', 'pointer', 'u32', 'i32'], return: 'i32' },
  send: { arguments: ['i32', 'pointer', 'u32', 'i32'], return: 'i32' },
  sendmsg: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  recvmmsg: { arguments: ['i32', 'pointer', 'u32', 'i32', 'pointer'], return: 'i32' },
  inet_pton: { arguments: ['i32', 'pointer', 'pointer'], return: 'i32' },
  inet_ntop: { arguments: ['i32', 'pointer', 'pointer', 'u32'], return: 'pointer' },
  epoll_create1: { arguments: ['i32'], return: 'i32' },
  epoll_ctl: { arguments: ['i32', 'i32', 'i32', 'pointer'], return: 'i32' },
  epoll_wait: { arguments: ['i32', 'pointer', 'i32', 'i32'], return: 'i32' },
});
