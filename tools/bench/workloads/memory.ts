/** What a process keeps in memory: idle, after many point reads, after a whole scan. */
import { withAgent } from '../agents.js'
import { alternate, type Bench, FULL_TEXT, makeDatabases, readersOf, resultRow, type Workload } from '../bench.js'
import type { Contender } from '../contenders.js'
import type { ResultRow } from '../results.js'
import type { ResidentMemoryResult } from '../tasks/resident-memory.js'
import { plainReads } from './plain-reads.js'

const READS = 200_000
const READS_QUICK = 20_000
const MOMENTS = [
  ['connected and idle', 'idle'],
  ['after point reads', 'afterReads'],
  ['after a whole scan', 'afterScan'],
] as const satisfies readonly (readonly [string, keyof ResidentMemoryResult])[]

export const memory: Workload = {
  name: 'memory',
  title: 'Memory of a process',
  about:
    'A process connects, reads one row and is idle; then it reads 200,000 random rows; then it goes over all rows. Each time the ' +
    'garbage is collected before its memory is looked at: private pages, about 10 MB of them Node itself, and pages of mapped files, ' +
    'about 40 MB of them code, which the system can take back.',

  async run(bench) {
    const { rowCount } = bench.options
    const contenders = plainReads(readersOf(bench))
    await makeDatabases(bench, contenders, { rowCount })
    const rounds = await alternate(
      bench,
      contenders,
      ({ name }) => `memory: ${name}`,
      (contender) => oneProcess(bench, contender),
    )
    const rows: ResultRow[] = []
    for (const [name, moment] of MOMENTS) {
      for (const [contender, done] of rounds) {
        const data = await bench.databases.pathFor(contender, { rowCount })
        rows.push(resultRow({ case: name, contender, data, rowCount, rounds: done.map((round) => round[moment]) }))
      }
    }
    return { rows }
  },
}

async function oneProcess(bench: Bench, contender: Contender): Promise<ResidentMemoryResult> {
  const { rowCount, isQuick } = bench.options
  const path = await bench.databases.pathFor(contender, { rowCount })
  return withAgent({ peer: contender.peer, path, settings: FULL_TEXT }, (agent) =>
    agent.run('residentMemory', { rowCount, reads: isQuick ? READS_QUICK : READS }),
  )
}
