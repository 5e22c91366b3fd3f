/**
 * One line each second: what all processes did in it, which commits the writer process made for them and in how many
 * appends to the log, their longest stall so far, and where the log stands.
 */
import type { DatabaseStats } from '../../src/index.js'
import type { ServingProgress } from './messages.js'

export interface Sample {
  readonly commits: number
  readonly reads: number
  readonly scans: number
  readonly stallMaxMs: number
  readonly stats: DatabaseStats
  /** Of the writer process; null: there is none. */
  readonly serving: ServingProgress | null
}

const COLUMNS = [
  'commits/s',
  'served/s',
  'batches/s',
  'reads/s',
  'sums/s',
  'stall ms',
  'log frames',
  'backfilled',
  'read marks',
] as const
const WIDTH_MIN = 10

export class LiveTable {
  readonly #take: () => Sample
  #last: Sample
  #lastTime = performance.now()
  #lines = 0

  constructor(take: () => Sample) {
    this.#take = take
    this.#last = take()
  }

  printLine(): void {
    const now = performance.now()
    const sample = this.#take()
    const seconds = (now - this.#lastTime) / 1000
    const perSecond = (now: number, before: number) => Math.round((now - before) / seconds)
    const rate = (field: 'commits' | 'reads' | 'scans') => perSecond(sample[field], this.#last[field])
    const served = (field: 'commits' | 'batches') =>
      sample.serving && perSecond(sample.serving[field], this.#last.serving?.[field] ?? 0)
    const { logFrames, backfilled, readMarks } = sample.stats
    if (this.#lines++ === 0) console.log(COLUMNS.map((title) => title.padStart(WIDTH_MIN)).join(' '))
    const numbers = [
      rate('commits'),
      served('commits'),
      served('batches'),
      rate('reads'),
      rate('scans'),
      Math.round(sample.stallMaxMs),
      logFrames,
      backfilled,
    ]
    const cells = numbers.map((value) => (value?.toLocaleString('en-US') ?? '-').padStart(WIDTH_MIN))
    console.log([...cells, ` ${readMarks.map((mark) => mark ?? '-').join(' ')}`].join(' '))
    this.#last = sample
    this.#lastTime = now
  }
}
