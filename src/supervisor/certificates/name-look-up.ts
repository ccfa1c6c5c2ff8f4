/** Names in DNS as authorities see them, by the servers of this machine or by others. */
import { Resolver } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import type { CaaRecord, LookUp } from '../../acme/precheck.ts';

/** Milliseconds of one question, and how often it is asked. An order waits so long at most for each name. */
const QUESTION_TIMEOUT_MS = 1_500;

export function lookUpBy(servers: readonly string[]): LookUp {
  const resolver = new Resolver({ timeout: QUESTION_TIMEOUT_MS, tries: 1 });
  if (servers.length > 0) resolver.setServers([...servers]);
  return {
    async addresses(name) {
      const asked = [resolver.resolve4(name), resolver.resolve6(name)];
      const answers = await Promise.allSettled(asked);
      const found = answers.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
      const failed = answers.find((one) => one.status === 'rejected');
      // No answer is not the answer that there is nothing.
      if (found.length === 0 && failed !== undefined && !isNone(failed.reason)) throw failed.reason;
      return found;
    },
    async caa(name) {
      try {
        const records = await resolver.resolveCaa(name);
        return records.map(({ critical, ...rest }): CaaRecord => {
          const [tag = '', value = ''] = Object.entries(rest).find(([key]) => key !== 'type') ?? [];
          return { critical: critical !== 0, tag: tag.toLowerCase(), value: String(value) };
        });
      } catch (error) {
        if (isNone(error)) return [];
        throw error;
      }
    },
  };
}

function isNone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOTFOUND' || code === 'ENODATA';
}

/** Of this machine, without zones. */
export function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).map(({ address }) => address),
  );
}
