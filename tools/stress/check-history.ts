/**
 * Whether a history is strictly serializable: whether there is one order of all transactions and snapshots in which each
 * sees exactly what those before it have written, and nobody stands before one that had ended when it began.
 *
 * The order must agree with these edges: the writer of a version before its readers and before the writer of the next version; a
 * reader of a version before the writer of the next; and whoever has ended before whoever begins later. There is such an order if
 * and only if these edges have no cycle, since the order of the versions of each key is known. Time takes linear space: a
 * chain of ticks, one for each end of an entry, which an entry enters when it ends and leaves when it begins.
 *
 * So found: lost updates and lost commits (two writers of one version, a version missing, a state at the end that is older), phantom
 * commits (a writer nobody knows), states seen in part or changing (cycles), stale reads (cycles through time).
 * Not found: what no transaction has read. That the bytes of a value are its writer's is checked where they are read.
 */
import { type History, type HistoryEntry, type KeyState, NOBODY } from './history.js'

/** @returns what is wrong, in words; empty if nothing is */
export function checkHistory(history: History): string[] {
  const chains = new VersionChains(history)
  const graph = new OrderGraph(history.entries)
  chains.addEdges(graph)
  graph.addTime()
  const cycle = graph.findCycle()
  if (cycle === null) return chains.violations
  return [...chains.violations, `no order explains ${cycle.map(describe).join(' < ')} < ${describe(cycle[0]!)}`]
}

/** The writers of each key, by version. */
class VersionChains {
  readonly violations: string[] = []
  readonly #history: History
  readonly #writers: Map<number, HistoryEntry>[]

  constructor(history: History) {
    this.#history = history
    this.#writers = history.before.map(() => new Map())
    for (const entry of history.entries) this.#enter(entry)
    for (const [key, state] of history.after.entries()) this.#checkEnd(key, state)
    for (const entry of history.entries) this.#checkReads(entry)
  }

  addEdges(graph: OrderGraph): void {
    for (const [key, writers] of this.#writers.entries()) {
      for (const [version, writer] of writers) {
        const next = this.#writers[key]!.get(version + 1)
        if (next !== undefined) graph.addEdge(writer, next)
      }
    }
    for (const entry of this.#history.entries) {
      for (const { key, version } of entry.reads) {
        const writer = this.#writers[key]?.get(version)
        const next = this.#writers[key]?.get(version + 1)
        if (writer !== undefined && writer !== entry) graph.addEdge(writer, entry)
        if (next !== undefined && next !== entry) graph.addEdge(entry, next)
      }
    }
  }

  #enter(entry: HistoryEntry): void {
    for (const { key, version } of entry.writes) {
      const other = this.#writers[key]?.get(version)
      if (other !== undefined) {
        this.violations.push(
          `lost update: version ${version} of key ${key} was written by ${other.name} and ${entry.name}`,
        )
      }
      this.#writers[key]?.set(version, entry)
    }
  }

  /** Each version from the first to the last has its writer, and the key ends at the last. */
  #checkEnd(key: number, after: KeyState): void {
    const before = this.#history.before[key]!
    const writers = this.#writers[key]!
    const last = [...writers.keys()].reduce((most, version) => Math.max(most, version), before.version)
    if (after.version < last) {
      const lost = writers.get(last)!.name
      this.violations.push(`lost commit: key ${key} ends at version ${after.version}, ${lost} wrote version ${last}`)
    }
    for (let version = before.version + 1; version <= after.version; version++) {
      if (!writers.has(version)) this.violations.push(`phantom: version ${version} of key ${key} has no writer`)
    }
    const expected = this.#writerOf(key, after.version)
    if (expected !== undefined && expected !== after.writer) {
      this.violations.push(`key ${key} ends at version ${after.version} of ${after.writer}, not of ${expected}`)
    }
  }

  #checkReads({ name, reads }: HistoryEntry): void {
    for (const { key, version, writer } of reads) {
      const expected = this.#writerOf(key, version)
      if (expected === undefined) {
        const first = this.#history.before[key]?.version
        const kind = first !== undefined && version < first ? 'stale' : 'phantom'
        this.violations.push(`${kind}: ${name} read version ${version} of key ${key} by ${writer}`)
      } else if (expected !== writer) {
        this.violations.push(`phantom: ${name} read version ${version} of key ${key} by ${writer}, not by ${expected}`)
      }
    }
  }

  #writerOf(key: number, version: number): string | undefined {
    const before = this.#history.before[key]
    if (before === undefined) return undefined
    return version === before.version ? before.writer : this.#writers[key]!.get(version)?.name
  }
}

/** Entries and ticks of the clock, and who must stand before whom. */
class OrderGraph {
  readonly #entries: readonly HistoryEntry[]
  readonly #indexes: Map<HistoryEntry, number>
  /** By node: first the entries, then the ticks. */
  readonly #successors: number[][]

  constructor(entries: readonly HistoryEntry[]) {
    this.#entries = entries
    this.#indexes = new Map(entries.map((entry, index) => [entry, index]))
    this.#successors = entries.map(() => [])
  }

  addEdge(before: HistoryEntry, after: HistoryEntry): void {
    this.#successors[this.#indexes.get(before)!]!.push(this.#indexes.get(after)!)
  }

  addTime(): void {
    const ended = this.#entries.filter((entry) => entry.end !== null).sort((a, b) => a.end! - b.end!)
    const firstTick = this.#successors.length
    for (const [index, entry] of ended.entries()) {
      const tick = firstTick + index
      this.#successors.push(index + 1 < ended.length ? [tick + 1] : [])
      this.#successors[this.#indexes.get(entry)!]!.push(tick)
    }
    const begun = [...this.#entries].sort((a, b) => a.begin - b.begin)
    let tickCount = 0
    for (const entry of begun) {
      while (tickCount < ended.length && ended[tickCount]!.end! < entry.begin) tickCount++
      if (tickCount > 0) this.#successors[firstTick + tickCount - 1]!.push(this.#indexes.get(entry)!)
    }
  }

  /** Takes away whoever has nobody left before him; what stays has a cycle. */
  findCycle(): HistoryEntry[] | null {
    const waiting = new Uint32Array(this.#successors.length)
    for (const successors of this.#successors) for (const node of successors) waiting[node]!++
    const free = [...waiting.keys()].filter((node) => waiting[node] === 0)
    let taken = 0
    for (let node = free.pop(); node !== undefined; node = free.pop()) {
      taken++
      for (const next of this.#successors[node]!) if (--waiting[next]! === 0) free.push(next)
    }
    return taken === this.#successors.length ? null : this.#walk(waiting)
  }

  /** Backwards from a node that was not taken: each has one before it that was not taken either. */
  #walk(waiting: Uint32Array): HistoryEntry[] {
    const before = new Map<number, number>()
    for (const [node, successors] of this.#successors.entries()) {
      if (waiting[node]! > 0) for (const next of successors) if (waiting[next]! > 0) before.set(next, node)
    }
    const path: number[] = []
    let node = before.keys().next().value!
    while (!path.includes(node)) {
      path.push(node)
      node = before.get(node)!
    }
    const cycle = path.slice(path.indexOf(node)).reverse()
    return cycle.filter((index) => index < this.#entries.length).map((index) => this.#entries[index]!)
  }
}

function describe({ name, begin, end, reads, writes }: HistoryEntry): string {
  const seen = reads.map(({ key, version }) => `${key}@${version}`).join(' ')
  const written = writes.map(({ key, version }) => `${key}@${version}`).join(' ')
  return `[${name} from ${begin} to ${end ?? '?'}, read ${seen || NOBODY}, wrote ${written || NOBODY}]`
}
