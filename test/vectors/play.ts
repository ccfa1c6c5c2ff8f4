/**
 * Plays every vector of a folder at every chunking: whole, in pieces of every size, and cut in two at
 * every place. `UPDATE=1` writes what happens into the files, for review.
 */
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { readVectors, type Vector, withEvents } from './vector-file.ts';

/** Above this, an input is cut at a selection of places only. */
const EVERY_CUT_BYTES_MAX = 600;
const CUTS_OF_LONG_INPUTS = 40;

/** Feeds pieces of a vector's input, each of them gone after the call as the contract says. */
export type Feed = (receive: (bytes: Uint8Array) => void) => void;

export interface Player {
  readonly folder: string;
  /** From the lines of a fence to what is sent. */
  readonly encode?: (lines: readonly string[]) => Buffer;
  readonly record: (vector: Vector, feed: Feed) => readonly string[];
}

/** Each piece lies in memory that is overwritten after the call, as a socket's buffer is. */
const memory = Buffer.alloc(1 << 20);

function replay({ record }: Player, vector: Vector, cuts: readonly number[]): readonly string[] {
  return record(vector, (receive) => {
    let start = 0;
    for (const end of [...cuts, vector.input.length]) {
      const piece = memory.subarray(0, end - start);
      vector.input.copy(piece, 0, start, end);
      receive(piece);
      piece.fill(0xaa);
      start = end;
    }
  });
}

function* chunkings(length: number): Generator<number[]> {
  const step = length <= EVERY_CUT_BYTES_MAX ? 1 : Math.ceil(length / CUTS_OF_LONG_INPUTS);
  for (let size = 1; size < length; size += step) {
    const cuts: number[] = [];
    for (let at = size; at < length; at += size) cuts.push(at);
    yield cuts;
  }
  for (let at = 1; at < length; at += step) yield [at];
}

export function playVectors(player: Player): void {
  const { folder, encode } = player;
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.md'))) {
    const path = `${folder}/${file}`;
    if (process.env.UPDATE === '1') {
      const happened = readVectors(path, encode).map((vector) => replay(player, vector, []));
      writeFileSync(path, withEvents(path, happened));
    }
    for (const vector of readVectors(path, encode)) {
      test(`${file}:${vector.line}: ${vector.name}`, () => {
        assert.deepEqual(replay(player, vector, []), vector.events);
        for (const cuts of chunkings(vector.input.length)) {
          const at = `cut at ${cuts.slice(0, 8)}`;
          assert.deepEqual(replay(player, vector, cuts), vector.events, at);
        }
      });
    }
  }
}
