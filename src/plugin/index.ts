/** `sluice/plugin`: what plugins import. */

/** Schemas of options: `Type.String()`, `Type.Number()`, `Type.Object({...})` and the rest of TypeBox. */
export { Type } from 'typebox';
export type {
  Client,
  Decision,
  EdgeRequest,
  EdgeResponse,
  FaultPolicy,
  FinishedRequest,
  Handshake,
  Headers,
  Hooks,
  KeyParts,
  PluginDefinition,
  RequestToOrigin,
  ResponseFromOrigin,
  Tools,
} from './api.ts';
export { Answer, answer, definePlugin, deny, redirect } from './api.ts';
