/**
 * One caller that does one thing at a time, and what is known of its transactions: which were begun, told to be committed, found to be
 * committed although nobody told, and found not to be.
 */
import type { Random } from '../../test/support/random.js'
import type { HistoryEntry } from './history.js'
import type { Command, SnapshotCommand, WriteCommand } from './messages.js'
import type { Outcome } from './worker-process.js'
import { HOT_KEY_COUNT, KEY_COUNT, nameOf, numberOf, type WriteResult } from './workload.js'

const KEYS_MAX = 6
const WRITES_MAX = 4
const AMOUNT_MAX = 100
const HOLD_MS_MAX = 60

/** Everything about one operation that the seed decides. */
export interface Step {
  readonly command: Command
  /** Milliseconds after which its process is killed; null: it is not. */
  readonly killAfterMs: number | null
  /** Everybody else is killed in that moment, too, so that the next one finds a log that has to be recovered. */
  readonly killsAll: boolean
  /** Likewise the writer process and the checkpointer. */
  readonly killsWriter: boolean
  readonly killsCheckpointer: boolean
}

interface Doubtful {
  readonly name: string
  readonly begin: number
  readonly isAborted: boolean
}

export class Lane {
  readonly index: number
  readonly #random: Random
  readonly #killProbability: number
  readonly #violations: string[]
  /** Of the newest transaction that was begun. */
  #number = 0
  /** Of the newest one known to be committed. */
  #committed = 0
  /** What became of all up to this one is known. */
  #knownUpTo = 0
  #doubtful: Doubtful[] = []
  entries: HistoryEntry[] = []
  /** Committed, as was found out later. */
  foundCount = 0
  commitCount = 0

  constructor(index: number, random: Random, killProbability: number, violations: string[]) {
    this.index = index
    this.#random = random
    this.#killProbability = killProbability
    this.#violations = violations
  }

  get isInDoubt(): boolean {
    return this.#doubtful.length > 0
  }

  get committed(): number {
    return this.#committed
  }

  /** Draws the next operation, always the same number of times from the same seed. */
  draw(id: number): Step {
    const random = this.#random
    const command = this.#drawCommand(id)
    const isChance = (probability: number) => random.next32() < probability * 2 ** 32
    const kills = isChance(this.#killProbability)
    // At once, after a moment, or while it waits for something.
    const killAfterMs = random.pick([0, 0, 1, 2, 3, random.below(30)])
    return {
      command,
      killAfterMs: kills ? killAfterMs : null,
      killsAll: random.below(6) === 0,
      killsWriter: isChance(this.#killProbability / 2),
      killsCheckpointer: isChance(this.#killProbability / 2),
    }
  }

  /** A transaction that writes nothing but the row of the lane: it finds out what is in doubt. */
  settling(id: number): WriteCommand {
    return this.#write(id, { keys: [], writeCount: 0, amount: 0, isAborted: false })
  }

  /** @param begin @param end by the clock of the coordinator */
  settle(command: Command, outcome: Outcome, begin: number, end: number): void {
    if (outcome.type === 'seen') {
      this.entries.push({ name: `snapshot ${command.id}`, reads: outcome.reads, writes: [], begin, end })
    }
    if (command.type !== 'write') return
    const { number, isAborted } = command
    const name = nameOf(this.index, number)
    if (outcome.type === 'written') this.#settleWritten(outcome.result, begin, end)
    else this.#doubtful.push({ name, begin, isAborted })
  }

  #settleWritten({ record, found, lastNumber }: WriteResult, begin: number, end: number): void {
    for (const { name, reads, writes } of found) {
      const doubtful = this.#doubtful.find((one) => one.name === name)
      if (doubtful === undefined)
        this.#violations.push(`phantom: ${name} is in the row of its lane and was not in doubt`)
      else if (doubtful.isAborted) this.#violations.push(`phantom: ${name} was committed, though it threw`)
      else this.entries.push({ name, reads, writes, begin: doubtful.begin, end })
      this.foundCount++
      this.#committed = Math.max(this.#committed, numberOf(name))
    }
    if (lastNumber !== this.#committed) {
      const kind = lastNumber < this.#committed ? 'lost commit' : 'phantom'
      this.#violations.push(`${kind}: ${record.name} found ${lastNumber} in its lane, ${this.#committed} is known`)
    }
    this.entries.push({ ...record, begin, end })
    this.commitCount++
    this.#committed = numberOf(record.name)
    this.#knownUpTo = this.#committed
    this.#doubtful = []
  }

  #drawCommand(id: number): Command {
    const random = this.#random
    const kind = random.below(100)
    if (kind < 62) return this.#drawWrite(id)
    if (kind < 84) return { type: 'snapshot', id, keys: this.#keys(), holdMs: this.#holdMs() }
    if (kind < 98) return { type: 'snapshot', id, keys: null, holdMs: this.#holdMs() }
    return { type: 'checkpoint', id, mode: random.pick(['passive', 'passive', 'full', 'restart', 'truncate']) }
  }

  #drawWrite(id: number): WriteCommand {
    const random = this.#random
    const keys = this.#keys()
    const writeCount = random.below(Math.min(keys.length, WRITES_MAX) + 1)
    return this.#write(id, { keys, writeCount, amount: random.below(AMOUNT_MAX), isAborted: random.below(20) === 0 })
  }

  #write(id: number, what: Pick<WriteCommand, 'keys' | 'writeCount' | 'amount' | 'isAborted'>): WriteCommand {
    const lane = { lane: this.index, number: ++this.#number, knownUpTo: this.#knownUpTo }
    return { type: 'write', id, ...lane, ...what }
  }

  #keys(): number[] {
    const random = this.#random
    const count = random.between(1, KEYS_MAX)
    const keys = new Set<number>()
    while (keys.size < count) keys.add(random.below(random.below(2) === 0 ? HOT_KEY_COUNT : KEY_COUNT))
    return [...keys]
  }

  #holdMs(): SnapshotCommand['holdMs'] {
    // Most are short; some see many commits and a checkpoint or two go by.
    return this.#random.below(4) === 0 ? this.#random.below(HOLD_MS_MAX) : 0
  }
}
