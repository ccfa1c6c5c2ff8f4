/** What this worker answers to authorities that look whether a name is ours: by HTTP, and in handshakes. */
import { CHALLENGE_PATH, type ChallengeAnswers } from '../acme/challenges.ts';
import { FieldSection } from '../http/field-section.ts';
import type { LocalResponse } from '../routing/local-response.ts';
import { ChallengeCertificates } from '../tls/challenge-certificates.ts';

export class ChallengeTable implements Disposable {
  readonly certificates = new ChallengeCertificates();
  #texts = new Map<string, string>();

  replace({ http, tls }: ChallengeAnswers): void {
    this.#texts = new Map(http.map(([token, text]) => [CHALLENGE_PATH + token, text]));
    this.certificates.replace(tls);
  }

  /** RFC 8555 §8.3; null for a path that nobody is to look at, which takes its route. */
  readonly answer = (path: string, dateNow: () => string): LocalResponse | null => {
    if (this.#texts.size === 0) return null;
    const text = this.#texts.get(path);
    if (text === undefined) return null;
    const fields = FieldSection.of(
      ['date', dateNow()],
      ['content-type', 'application/octet-stream'],
      ['cache-control', 'no-store'],
    );
    return { status: 200, fields, content: Buffer.from(text, 'latin1') };
  };

  [Symbol.dispose](): void {
    this.certificates[Symbol.dispose]();
  }
}
