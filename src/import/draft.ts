/** A configuration of ours in the making: maps and lists, each piece with the place it came from. */
import { Document, isScalar, type Node, Pair, Scalar, YAMLMap, YAMLSeq } from 'yaml';
import { placeText, type SourcePlace } from './report.ts';

type Plain = string | number | boolean;

export type DraftValue = Plain | Draft | readonly DraftValue[];

interface Entry {
  readonly key: string;
  readonly value: DraftValue;
  readonly places: readonly SourcePlace[];
}

/** A map. Keys keep the order in which they were set. */
export class Draft {
  readonly #entries = new Map<string, Entry>();
  readonly #notes: string[] = [];

  static of(values: Readonly<Record<string, DraftValue>>): Draft {
    const draft = new Draft();
    for (const [key, value] of Object.entries(values)) draft.set(key, value);
    return draft;
  }

  set(key: string, value: DraftValue, ...places: readonly SourcePlace[]): this {
    this.#entries.set(key, { key, value, places });
    return this;
  }

  get(key: string): DraftValue | undefined {
    return this.#entries.get(key)?.value;
  }

  /** The map at a key, made if there is none. */
  at(key: string, ...places: readonly SourcePlace[]): Draft {
    const entry = this.#entries.get(key);
    if (entry?.value instanceof Draft) {
      this.#entries.set(key, { ...entry, places: [...new Set([...entry.places, ...places])] });
      return entry.value;
    }
    const made = new Draft();
    this.set(key, made, ...places);
    return made;
  }

  /** A comment at the beginning of the map. */
  note(...texts: readonly string[]): this {
    for (const text of texts) if (!this.#notes.includes(text)) this.#notes.push(text);
    return this;
  }

  without(key: string): this {
    this.#entries.delete(key);
    return this;
  }

  /** Without comments. */
  plain(): unknown {
    return Object.fromEntries(
      [...this.#entries].map(([key, { value }]) => [key, plainOf(value)] as const),
    );
  }

  /** With all that another has. */
  absorb(other: Draft): this {
    for (const entry of other.#entries.values()) this.#entries.set(entry.key, entry);
    return this.note(...other.#notes);
  }

  get size(): number {
    return this.#entries.size;
  }

  node(): YAMLMap {
    const map = new YAMLMap();
    for (const { key, value, places } of this.#entries.values()) {
      if (value instanceof Draft && value.size === 0) continue;
      map.items.push(pairOf(key, value, places));
    }
    if (this.#notes.length > 0) {
      const comment = this.#notes.map((text) => ` ${oneLine(text)}`).join('\n');
      const first = map.items[0]?.key as Scalar | undefined;
      if (first === undefined) map.comment = comment;
      else first.commentBefore = joined(comment, first.commentBefore);
    }
    return map;
  }
}

function pairOf(key: string, value: DraftValue, places: readonly SourcePlace[]): Pair<Node, Node> {
  const keyNode = new Scalar(key);
  const valueNode = nodeOf(value);
  const comment = places.map((place) => ` ${oneLine(placeText(place))}`).join('\n');
  const isShort = isScalar(valueNode) || (valueNode instanceof YAMLSeq && valueNode.flow === true);
  if (comment !== '') {
    if (isShort && places.length === 1) valueNode.comment = comment;
    else keyNode.commentBefore = comment;
  }
  return new Pair<Node, Node>(keyNode, valueNode);
}

function nodeOf(value: DraftValue): Node {
  if (value instanceof Draft) return value.node();
  if (!isList(value)) return new Scalar(value);
  const list = new YAMLSeq();
  list.items = value.map(nodeOf);
  list.flow = value.every((item) => !(item instanceof Draft) && !isList(item));
  return list;
}

function plainOf(value: DraftValue): unknown {
  if (value instanceof Draft) return value.plain();
  return isList(value) ? value.map(plainOf) : value;
}

function isList(value: DraftValue): value is readonly DraftValue[] {
  return Array.isArray(value);
}

function joined(first: string, second: string | null | undefined): string {
  return second ? `${first}\n${second}` : first;
}

/** Nothing of what another server's file has ends a comment. */
function oneLine(text: string): string {
  return text.replace(/[\0-\x1f\x7f-\x9f\u2028\u2029]/g, ' ');
}

/** With `heading` as a comment at the top. */
export function draftText(draft: Draft, heading: readonly string[]): string {
  const document = new Document(draft.node());
  document.commentBefore = heading.map((line) => ` ${oneLine(line)}`.trimEnd()).join('\n');
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}
