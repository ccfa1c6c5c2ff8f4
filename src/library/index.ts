/** What `import 'sluice'` gives: for Node from 20 on, on any system. */
export type {
  App,
  FastifyLike,
  FetchLike,
  HandlerKind,
  KoaLike,
  NextLike,
  WebHandler,
} from './app-server.ts';
export { edge } from './edge.ts';
export type { Edge, EdgeAddresses, PurgeResult, PurgeTarget } from './edge-contract.ts';
export type { EdgeOptions, FlagValue, ListenAddress } from './edge-options.ts';
