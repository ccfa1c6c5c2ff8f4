/** Answers what the supervisor asks a worker about handshakes. */
import type { HandshakeAnswer, HandshakeQuestion } from '../contract.ts';
import type { FailureTable } from '../failure-table.ts';
import type { HandshakeObservers } from './handshake-observers.ts';

export function answerHandshakeQuestion(
  { failures, observers }: { failures: FailureTable; observers: HandshakeObservers },
  question: HandshakeQuestion,
): HandshakeAnswer {
  if (question.kind === 'enable') observers.rearm(question.observer);
  return {
    failures: question.kind === 'failures' ? failures.kinds : [],
    observers: observers.states,
  };
}
