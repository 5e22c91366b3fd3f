/** One line each second: what all processes did in it, their longest stall so far, and where the log stands. */
import type { DatabaseStats } from '../../src/index.js'

export interface Sample {
  readonly commits: number
  readonly reads: number
  readonly scans: number
  readonly stallMaxMs: number
  readonly stats: DatabaseStats
}

const COLUMNS = ['commits/s', 'reads/s', 'sums/s', 'stall ms', 'log frames', 'backfilled', 'read marks'] as const
const WIDTH_MIN = 11

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
    const rate = (field: 'commits' | 'reads' | 'scans') => Math.round((sample[field] - this.#last[field]) / seconds)
    const { logFrames, backfilled, readMarks } = sample.stats
    if (this.#lines++ === 0) console.log(COLUMNS.map((title) => title.padStart(WIDTH_MIN)).join(' '))
    const numbers = [
      rate('commits'),
      rate('reads'),
      rate('scans'),
      Math.round(sample.stallMaxMs),
      logFrames,
      backfilled,
    ]
    const cells = numbers.map((value) => value.toLocaleString('en-US').padStart(WIDTH_MIN))
    console.log([...cells, ` ${readMarks.map((mark) => mark ?? '-').join(' ')}`].join(' '))
    this.#last = sample
    this.#lastTime = now
  }
}
