/** What is looked for: whether a run on a sandbox has come to what an incident tells of. */

import type { RunVerdict } from './experiments.ts';
import { type Incident, type IncidentKind, isWithoutDeath } from './incident.ts';
import { suspectedConnection } from './replay/from-incident.ts';
import type { SandboxRun } from './sandbox.ts';

export interface Fault {
  readonly kind: IncidentKind;
  /** Of the incident. */
  readonly signature: string;
  /** RFC name of the alert by which a handshake failed; '' for deaths. */
  readonly alert: string;
}

export function faultOf(incident: Incident): Fault {
  const { kind, signature } = incident;
  const alert = isWithoutDeath(kind) ? (suspectedConnection(incident)?.alert ?? '') : '';
  return { kind, signature, alert };
}

export function judgeBy(fault: Fault): (run: SandboxRun) => RunVerdict {
  return ({ death, played }) => {
    if (death !== null) {
      const isSame = isSameDeath(death.signature, fault.signature);
      return { outcome: isSame ? 'same' : 'other', detail: death.signature };
    }
    const alert = played[0]?.alert ?? '';
    if (fault.kind !== 'handshake-failure' || alert === '') return { outcome: 'lives', detail: '' };
    return { outcome: alert === fault.alert ? 'same' : 'other', detail: `alert ${alert}` };
  };
}

/**
 * Whether two deaths are of one kind and signal, wherever they come: with an observer off, another
 * one, or the code of the server itself, may stumble over the same.
 */
export function isSameKind(one: string, other: string): boolean {
  const [kind, signal] = one.split('/');
  const [otherKind, otherSignal] = other.split('/');
  return kind === otherKind && signal === otherSignal;
}

const NO_OBSERVER = 'no observer';

/**
 * Same kind and signal, in the same observer; where no observer was running, in the same call. With
 * an observer the call may differ: what was being done when it ran depends on the configuration.
 */
function isSameDeath(one: string, other: string): boolean {
  const [kind, signal, call, observer] = one.split('/');
  const [otherKind, otherSignal, otherCall, otherObserver] = other.split('/');
  if (kind !== otherKind || signal !== otherSignal || observer !== otherObserver) return false;
  return observer !== NO_OBSERVER || call === otherCall;
}
