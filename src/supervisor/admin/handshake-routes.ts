/** `/handshakes` of the admin endpoint: what fails most often, and who observes. */
import type { HandshakeAnswer, HandshakeQuestion } from '../../worker/contract.ts';
import { FailureTable } from '../../worker/failure-table.ts';
import type { ObserverState } from '../../worker/handshakes/handshake-observers.ts';
import type { AskWorker } from '../workers/worker-place.ts';
import { type AdminAnswer, type AdminRoute, failure, success } from './admin-routes.ts';

/** An observer in all workers. */
export interface ObserverReport {
  readonly name: string;
  /** In how many workers it is called, and in how many it is disabled after faults. */
  readonly enabled: number;
  readonly disabled: number;
  readonly faults: number;
  /** The last fault that one of the workers knows of, or ''. */
  readonly lastFault: string;
}

export function handshakeRoutes(workers: () => readonly AskWorker<'handshakes'>[]): AdminRoute[] {
  const askAll = async (question: HandshakeQuestion): Promise<HandshakeAnswer[]> => {
    const answers = await Promise.all(workers().map((ask) => ask(question)));
    return answers.filter((answer) => answer !== null && answer !== undefined);
  };
  const observers = async (question: HandshakeQuestion): Promise<ObserverReport[]> =>
    merged((await askAll(question)).flatMap((answer) => answer.observers));
  return [
    {
      path: '/handshakes/failures',
      summary: 'The most frequent failures of TLS handshakes.',
      async get() {
        const table = new FailureTable();
        for (const { failures } of await askAll({ kind: 'failures' })) table.merge(failures);
        return success({ failures: table.kinds });
      },
    },
    {
      path: '/handshakes/observers',
      summary: 'The observers of handshakes, and which are disabled.',
      get: async () => success({ observers: await observers({ kind: 'observers' }) }),
    },
    {
      path: '/handshakes/enable',
      summary: 'Enables an observer again: `{"observer": NAME}`.',
      keys: ['observer'],
      async post({ body }) {
        const name = body.observer;
        if (typeof name !== 'string') return failure(400, 'observer is a string');
        return enabledAgain(name, await observers({ kind: 'enable', observer: name }));
      },
    },
  ];
}

function enabledAgain(name: string, reports: readonly ObserverReport[]): AdminAnswer {
  const report = reports.find((one) => one.name === name);
  if (report !== undefined) return success({ observer: report });
  const names = reports.map((one) => one.name).join(', ');
  return failure(404, `no observer ${JSON.stringify(name)}; there is ${names}`);
}

function merged(states: readonly ObserverState[]): ObserverReport[] {
  const reports = new Map<string, ObserverReport>();
  for (const { name, isArmed, faults, lastFault } of states) {
    const so = reports.get(name) ?? { name, enabled: 0, disabled: 0, faults: 0, lastFault: '' };
    reports.set(name, {
      name,
      enabled: so.enabled + (isArmed ? 1 : 0),
      disabled: so.disabled + (isArmed ? 0 : 1),
      faults: so.faults + faults,
      lastFault: lastFault === '' ? so.lastFault : lastFault,
    });
  }
  return [...reports.values()];
}
