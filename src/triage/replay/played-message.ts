/** What both sides of a played request do with a message: headers in the form that Node takes, and fill. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { HeaderLine, PlayedBody } from './script.ts';

/** Between two writes, so that they are read apart. */
const BETWEEN_PIECES_MS = 2;
/** A piece of fill is made once and sent often. */
const fill = Buffer.alloc(64 * 1024, 'x');

export function bodyBytes({ pieces }: PlayedBody): number {
  return pieces.reduce((sum, length) => sum + length, 0);
}

export function announcedBy(body: PlayedBody): HeaderLine[] {
  if (body.framing !== 'length') return [];
  return [['content-length', String(bodyBytes(body) + body.missing)]];
}

/** As HTTP/2 of Node has them: several of one name are a list. */
export function byName(lines: readonly HeaderLine[]): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = {};
  for (const [name, value] of lines) {
    const before = fields[name];
    fields[name] = before === undefined ? value : [before, value].flat();
  }
  return fields;
}

/** What a body is written to, until it has gone. */
export interface BodySink {
  readonly destroyed: boolean;
  readonly writableEnded: boolean;
  write(bytes: Buffer): boolean;
  end(): unknown;
}

/** Each piece by itself, until all is written or the other side has gone. */
export async function writePieces({ pieces }: PlayedBody, to: BodySink): Promise<void> {
  const isGone = () => to.destroyed || to.writableEnded;
  for (const length of pieces) {
    for (let at = 0; at < length && !isGone(); at += fill.length) {
      to.write(fill.subarray(0, Math.min(fill.length, length - at)));
    }
    await sleep(BETWEEN_PIECES_MS);
    if (isGone()) return;
  }
}
