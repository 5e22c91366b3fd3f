/** Point reads of two threads, or two processes, against one. */
import { type AgentKind, withAgents } from '../agents.js'
import {
  alternate,
  type Bench,
  FULL_TEXT,
  makeDatabases,
  readersOf,
  readTime,
  resultRow,
  type Workload,
} from '../bench.js'
import type { Contender } from '../contenders.js'
import type { Figures } from '../figures.js'
import type { ResultRow } from '../results.js'
import { sum } from '../statistics.js'
import { sharedNow } from '../tasks/timing.js'

/** Enough for all to have made their keys. */
const PREPARE_MS = 600

const CASES: readonly (readonly [string, AgentKind, number])[] = [
  ['1 thread', 'thread', 1],
  ['2 threads', 'thread', 2],
  ['1 process', 'process', 1],
  ['2 processes', 'process', 2],
]

export const scaling: Workload = {
  name: 'scaling',
  title: 'Point reads of two at the same time',
  about:
    'Worker threads, or processes, read random keys as under “all keys, autocommit” at the same time; the rate is that of all together. ' +
    'There are two cores.',

  async run(bench) {
    const { rowCount } = bench.options
    const rows: ResultRow[] = []
    const contenders = readersOf(bench).filter(({ isShared }) => isShared)
    await makeDatabases(bench, contenders, { rowCount })
    for (const [name, kind, count] of CASES) {
      const rounds = await alternate(
        bench,
        contenders,
        (contender) => `${name}: ${contender.name}`,
        (contender) => oneRound(bench, contender, kind, count),
      )
      for (const [contender, done] of rounds) {
        const data = await bench.databases.pathFor(contender, { rowCount })
        rows.push(resultRow({ case: name, contender, data, rowCount, rounds: done, processes: count }))
      }
    }
    return { rows }
  },
}

async function oneRound(bench: Bench, contender: Contender, kind: AgentKind, count: number): Promise<Figures> {
  const { rowCount } = bench.options
  const path = await bench.databases.pathFor(contender, { rowCount })
  const starts = Array.from({ length: count }, () => ({ peer: contender.peer, path, settings: FULL_TEXT }))
  return withAgents(
    starts,
    async (agents) => {
      const startTime = sharedNow() + PREPARE_MS
      const parameters = { ...readTime(bench), rowCount, keys: { of: 'all' }, state: 'autocommit', startTime } as const
      const rates = await Promise.all(agents.map((agent, seed) => agent.run('pointReads', { ...parameters, seed })))
      return { perSecond: sum(rates) }
    },
    kind,
  )
}
