/** A whole scan that is shared by worker threads, each of which goes over a part of the keys, against one thread. */
import { type Agent, withAgents } from '../agents.js'
import { alternate, type Bench, FULL_TEXT, makeDatabases, readersOf, resultRow, type Workload } from '../bench.js'
import { whistle } from '../commits.js'
import type { Contender } from '../contenders.js'
import type { Figures } from '../figures.js'
import type { ResultRow } from '../results.js'
import { plainReads } from './plain-reads.js'

const THREADS = [1, 2]
/** Until all threads run compiled code. */
const SCANS_BEFORE = 4

export const parallelScan: Workload = {
  name: 'parallel-scan',
  title: 'One scan by two threads',
  about:
    'Worker threads share a scan of all rows by `for…of`: each goes over an even part of the keys. The time is that from the start of all to ' +
    'the end of the last, of the fifth scan of each.',

  async run(bench) {
    const { rowCount } = bench.options
    const rows: ResultRow[] = []
    const contenders = plainReads(readersOf(bench).filter(({ isShared }) => isShared))
    await makeDatabases(bench, contenders, { rowCount })
    for (const threads of THREADS) {
      const name = threads === 1 ? '1 thread' : `${threads} threads`
      const rounds = await alternate(
        bench,
        contenders,
        (contender) => `scan by ${name}: ${contender.name}`,
        (contender) => oneRound(bench, contender, threads),
      )
      for (const [contender, done] of rounds) {
        const data = await bench.databases.pathFor(contender, { rowCount })
        rows.push(resultRow({ case: name, contender, data, rowCount, rounds: done, processes: threads }))
      }
    }
    return { rows }
  },
}

async function oneRound(bench: Bench, contender: Contender, threads: number): Promise<Figures> {
  const { rowCount } = bench.options
  const path = await bench.databases.pathFor(contender, { rowCount })
  const starts = Array.from({ length: threads }, () => ({ peer: contender.peer, path, settings: FULL_TEXT }))
  return withAgents(
    starts,
    async (agents) => {
      for (let scan = 0; scan < SCANS_BEFORE; scan++) await scanTogether(agents, rowCount)
      return { perSecond: (rowCount / (await scanTogether(agents, rowCount))) * 1000 }
    },
    'thread',
  )
}

/** @returns milliseconds */
async function scanTogether(agents: readonly Agent[], rowCount: number): Promise<number> {
  const { startTime } = whistle(0, 0)
  const partStart = (part: number) => Math.floor((part * rowCount) / agents.length)
  const ends = await Promise.all(
    agents.map((agent, part) =>
      agent.run('partScan', { firstRow: partStart(part), endRow: partStart(part + 1), startTime }),
    ),
  )
  return Math.max(...ends) - startTime
}
