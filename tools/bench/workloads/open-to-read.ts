/** How long a new process takes until it has read its first row. */
import { withAgent } from '../agents.js'
import { alternate, type Bench, FULL_TEXT, makeDatabases, readersOf, resultRow, type Workload } from '../bench.js'
import type { Contender } from '../contenders.js'
import type { Figures } from '../figures.js'
import type { ResultRow } from '../results.js'
import { plainReads } from './plain-reads.js'

/** A round is over in no time, so that there may be more of them. */
const OPENS_PER_ROUND = 3

export const openToRead: Workload = {
  name: 'open-to-read',
  title: 'Open to first read',
  about:
    'A new process each time loads the package of the store, opens a database that nobody else has open, and reads one row. Files are in ' +
    'the page cache of the system.',

  async run(bench) {
    const { rowCount, rounds: roundCount } = bench.options
    const more = { ...bench, options: { ...bench.options, rounds: roundCount * OPENS_PER_ROUND } }
    const contenders = plainReads(readersOf(bench))
    await makeDatabases(bench, contenders, { rowCount })
    const rounds = await alternate(
      more,
      contenders,
      ({ name }) => `open: ${name}`,
      (contender) => oneOpen(bench, contender),
    )
    const rows: ResultRow[] = []
    for (const [contender, done] of rounds) {
      const data = await bench.databases.pathFor(contender, { rowCount })
      rows.push(resultRow({ case: 'a new process', contender, data, rowCount, rounds: done }))
    }
    return { rows }
  },
}

async function oneOpen({ databases, options: { rowCount } }: Bench, contender: Contender): Promise<Figures> {
  const path = await databases.pathFor(contender, { rowCount })
  return withAgent({ peer: contender.peer, path, settings: FULL_TEXT, connect: false }, async (agent) => {
    const times = await agent.run('openToRead', { row: rowCount >> 1 })
    return { ...times, untilReadMs: times.importMs + times.openMs + times.firstReadMs, ...agent.memory }
  })
}
