/** From a request, and what its origin answered, to the least of both that still does the same. */
import { bodyBytes } from '../replay/played-message.ts';
import type { HeaderLine, PlayedAnswer, PlayedBody, RequestScript } from '../replay/script.ts';
import { minimalSubset } from './delta-debugging.ts';

/** Whether a script does what is looked for; `words` say what was tried. */
export type RequestFails = (script: RequestScript, words: string) => Promise<boolean>;

const NO_BODY: PlayedBody = { framing: 'none', pieces: [], missing: 0 };

/** Coarse first: how it comes, then what is in it, then what the origin says. It must fail. */
export async function reducedRequest(
  script: RequestScript,
  fails: RequestFails,
): Promise<RequestScript> {
  const reduction = new Reduction(script, fails);
  await reduction.manner();
  await reduction.headers();
  await reduction.body();
  await reduction.target();
  await reduction.answer();
  return reduction.least;
}

class Reduction {
  least: RequestScript;
  readonly #fails: RequestFails;

  constructor(script: RequestScript, fails: RequestFails) {
    this.least = script;
    this.#fails = fails;
  }

  async #try(change: Partial<RequestScript>, words: string): Promise<boolean> {
    const candidate = { ...this.least, ...change };
    if (JSON.stringify(candidate) === JSON.stringify(this.least)) return true;
    if (!(await this.#fails(candidate, words))) return false;
    this.least = candidate;
    return true;
  }

  async manner(): Promise<void> {
    const { times, answer } = this.least;
    if (times === 2) await this.#try({ times: 1 }, 'once');
    if (answer !== null) await this.#try({ answer: null }, 'a plain answer of the origin');
    if (!(await this.#try({ version: '1.1', tls: false }, 'HTTP/1.1 without TLS'))) {
      await this.#try({ version: '1.1' }, 'HTTP/1.1');
      await this.#try({ tls: false }, 'without TLS');
    }
    await this.#try({ method: 'GET', body: NO_BODY }, 'GET without a body');
  }

  async headers(): Promise<void> {
    const { headers } = this.least;
    const kept = await this.#leastOf(headers, (some) => ({ headers: some }), 'header');
    this.least = { ...this.least, headers: kept };
  }

  async #leastOf(
    all: readonly HeaderLine[],
    change: (some: readonly HeaderLine[]) => Partial<RequestScript>,
    what: string,
  ): Promise<readonly HeaderLine[]> {
    if (all.length === 0) return all;
    const { items } = await minimalSubset(all, (some) =>
      this.#fails({ ...this.least, ...change(some) }, headerWords(all, some, what)),
    );
    return items;
  }

  async body(): Promise<void> {
    const { body } = this.least;
    if (body.framing === 'none') return;
    if (await this.#try({ body: NO_BODY }, 'without a body')) return;
    if (body.missing > 0) await this.#try({ body: { ...body, missing: 0 } }, 'a body that ends');
    const least = await this.#leastBody(this.least.body, (one) => ({ body: one }), 'a body');
    this.least = { ...this.least, body: least };
    if (this.least.method !== 'POST') await this.#try({ method: 'POST' }, 'POST');
  }

  /** In one piece if that does; then as short as it can be. */
  async #leastBody(
    body: PlayedBody,
    change: (body: PlayedBody) => Partial<RequestScript>,
    what: string,
  ): Promise<PlayedBody> {
    let least = body;
    const tryInstead = async (candidate: PlayedBody, words: string) => {
      if (!(await this.#fails({ ...this.least, ...change(candidate) }, words))) return false;
      least = candidate;
      return true;
    };
    const bytes = bodyBytes(body);
    if (body.pieces.length > 1) {
      await tryInstead({ ...body, pieces: [bytes] }, `${what} in one piece`);
    }
    if (least.framing === 'chunked') {
      await tryInstead({ ...least, framing: 'length' }, `${what} of announced length`);
    }
    if (least.pieces.length > 1) {
      const { items } = await minimalSubset(
        least.pieces.map((length) => ({ length })),
        (some) => {
          const pieces = some.map(({ length }) => length);
          const candidate = { ...this.least, ...change({ ...least, pieces }) };
          return this.#fails(candidate, `${what} of ${some.length} of its pieces`);
        },
      );
      least = { ...least, pieces: items.map(({ length }) => length) };
    }
    const [only = 0] = least.pieces;
    if (least.pieces.length !== 1) return least;
    // The shortest that fails, if longer ones do, too.
    let [lives, dies] = [-1, only];
    while (dies - lives > 1) {
      // Lengths that do are small, or just below what it was, more often than not.
      const middle = lives === -1 ? Math.min(1, dies - 1) : Math.floor((lives + dies) / 2);
      const candidate = { ...least, pieces: middle === 0 ? [] : [middle] };
      const isDying = await tryInstead(candidate, `${what} of ${middle} bytes`);
      if (isDying) dies = middle;
      else lives = middle;
    }
    return least;
  }

  async target(): Promise<void> {
    const { path } = this.least;
    if (path === '*') return;
    if (!(await this.#try({ path: '/' }, 'path /'))) {
      const query = path.indexOf('?');
      if (query !== -1) await this.#try({ path: path.slice(0, query) }, 'without the query');
      await this.#shorterPath();
    }
    await this.#try({ authority: 'localhost' }, 'host localhost');
  }

  /** Segments from its end on: what comes first chooses a route more often than not. */
  async #shorterPath(): Promise<void> {
    for (;;) {
      const { path } = this.least;
      const at = path.lastIndexOf('/', path.length - 2);
      if (at <= 0) return;
      const shorter = path.slice(0, at);
      if (!(await this.#try({ path: shorter }, `path ${shorter}`))) return;
    }
  }

  async answer(): Promise<void> {
    const { answer } = this.least;
    if (answer === null) return;
    const withAnswer = (changed: Partial<PlayedAnswer>) => ({
      answer: { ...this.least.answer!, ...changed },
    });
    await this.#try(withAnswer({ status: 200 }), 'an answer of 200');
    await this.#try(withAnswer({ body: NO_BODY }), 'an answer without a body');
    const { headers } = this.least.answer!;
    const kept = await this.#leastOf(
      headers,
      (some) => withAnswer({ headers: some }),
      'header of the answer',
    );
    this.least = { ...this.least, ...withAnswer({ headers: kept }) };
    const { body } = this.least.answer!;
    if (body.framing === 'none') return;
    const least = await this.#leastBody(body, (one) => withAnswer({ body: one }), 'an answer');
    this.least = { ...this.least, ...withAnswer({ body: least }) };
  }
}

const NAMES_SHOWN_MAX = 4;

function headerWords(all: readonly HeaderLine[], some: readonly HeaderLine[], what: string) {
  if (some.length === 0) return `without any ${what}`;
  const gone = all.filter((line) => !some.includes(line));
  const isFew = some.length < gone.length;
  const names = (isFew ? some : gone).map(([name]) => name);
  const shown = names.slice(0, NAMES_SHOWN_MAX).join(', ');
  const more = names.length > NAMES_SHOWN_MAX ? ` and ${names.length - NAMES_SHOWN_MAX} more` : '';
  return `${isFew ? 'with only' : 'without'} the ${what} ${shown}${more}`;
}
