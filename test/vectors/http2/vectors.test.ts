/** Frames to a server that allows 3 streams, after the preface and an exchange of plain settings. */
import {
  echo,
  prepared,
  type RecordedRequest,
  ServerUnderTest,
} from '../../http2/server-under-test.ts';
import { type Feed, playVectors } from '../play.ts';
import type { Vector } from '../vector-file.ts';
import { framesOf } from './frames.ts';

/** What has content is answered with it, the rest with 5 bytes. */
function answer(request: RecordedRequest): void {
  if (request.head.contentLength !== 0) echo(request);
  else request.sender.sendStored(prepared('hello'));
}

/**
 * Option: `answers=any`: what is before the connection error may have been answered by then or not, by
 * how the input was cut; answers are left out.
 */
function record(vector: Vector, feed: Feed): readonly string[] {
  const limits = { streamsConcurrentMax: 3 };
  const server = new ServerUnderTest({ onRequest: answer, limits }).greet();
  feed((bytes) => server.connection.receive(bytes, false));
  const told = merged(server.told());
  const isAnswer = (line: string) => /^(HEADERS|DATA) /.test(line);
  const events =
    vector.options.get('answers') === 'any' ? told.filter((line) => !isAnswer(line)) : told;
  return server.ended ? [...events, 'end of output'] : events;
}

/** DATA of one stream in one line: how it is cut may depend on how input was cut. */
function merged(told: readonly string[]): string[] {
  const lines: string[] = [];
  for (const line of told) {
    const last = /^DATA (\d+) (\d+)$/.exec(lines.at(-1) ?? '');
    const next = /^DATA (\d+) (\d+)( END_STREAM)?$/.exec(line);
    if (last !== null && next !== null && last[1] === next[1]) {
      const length = Number(last[2]) + Number(next[2]);
      lines[lines.length - 1] = `DATA ${next[1]} ${length}${next[3] ?? ''}`;
    } else lines.push(line);
  }
  return lines;
}

playVectors({ folder: import.meta.dirname, encode: framesOf, record });
