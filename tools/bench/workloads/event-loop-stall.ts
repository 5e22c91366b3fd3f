/** How long commits keep the event loop of their process from everything else. */
import { type Workload, writersOf } from '../bench.js'
import { commitCase } from '../commits.js'
import type { ResultRow } from '../results.js'

const CASES = [
  { processes: 1, outstanding: 64, synchronous: 'full' },
  { processes: 1, outstanding: 64, synchronous: 'normal' },
  { processes: 4, outstanding: 16, synchronous: 'full' },
] as const

const FIGURES = ['perSecond', 'stallP99Ms', 'stallWorstMs'] as const

export const eventLoopStall: Workload = {
  name: 'event-loop-stall',
  title: 'Stall of the event loop',
  about:
    'The callers of a process commit one row each per turn of its event loop, as requests do that a server answers. The stall is how late ' +
    'a timer of one millisecond is meanwhile, in the worst of the processes.',

  async run(bench) {
    const rows: ResultRow[] = []
    for (const { processes, outstanding, synchronous } of CASES) {
      const commits = { case: `${processes} x ${outstanding}, ${synchronous}`, processes, outstanding, inTurns: true }
      const contenders = writersOf(bench, processes)
      rows.push(...(await commitCase(bench, { ...commits, settings: { synchronous } }, contenders, FIGURES)))
    }
    return { rows }
  },
}
