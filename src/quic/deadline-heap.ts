/** Who has the earliest deadline: a binary heap whose members know their places. */

export interface HeapMember {
  heapMs: number;
  /** -1: not in the heap. */
  heapAt: number;
}

export class DeadlineHeap<T extends HeapMember> {
  readonly #heap: T[] = [];

  get earliest(): T | undefined {
    return this.#heap[0];
  }

  /** Puts a member in, moves it, or takes it out when the deadline is infinite. */
  set(member: T, deadlineMs: number): void {
    if (deadlineMs === Number.POSITIVE_INFINITY) {
      this.remove(member);
      return;
    }
    const before = member.heapMs;
    member.heapMs = deadlineMs;
    if (member.heapAt < 0) {
      member.heapAt = this.#heap.length;
      this.#heap.push(member);
      this.#up(member.heapAt);
    } else if (deadlineMs < before) this.#up(member.heapAt);
    else this.#down(member.heapAt);
  }

  remove(member: T): void {
    const at = member.heapAt;
    if (at < 0) return;
    const last = this.#heap.pop()!;
    member.heapAt = -1;
    if (last === member) return;
    this.#place(last, at);
    this.#up(at);
    this.#down(last.heapAt);
  }

  #place(member: T, at: number): void {
    this.#heap[at] = member;
    member.heapAt = at;
  }

  #up(at: number): void {
    const member = this.#heap[at]!;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = this.#heap[parentAt]!;
      if (parent.heapMs <= member.heapMs) break;
      this.#place(parent, at);
      at = parentAt;
    }
    this.#place(member, at);
  }

  #down(at: number): void {
    const heap = this.#heap;
    const member = heap[at]!;
    for (;;) {
      let childAt = 2 * at + 1;
      if (childAt >= heap.length) break;
      if (childAt + 1 < heap.length && heap[childAt + 1]!.heapMs < heap[childAt]!.heapMs) childAt++;
      const child = heap[childAt]!;
      if (child.heapMs >= member.heapMs) break;
      this.#place(child, at);
      at = childAt;
    }
    this.#place(member, at);
  }
}
