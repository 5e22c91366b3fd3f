/** All rows in one durable transaction into a new database, in the order of the keys and in a random one. */
import { withAgent } from '../agents.js'
import { alternate, type Bench, FULL_TEXT, resultRow, type Workload, writersOf } from '../bench.js'
import type { Contender } from '../contenders.js'
import { databaseSize } from '../databases.js'
import type { Figures } from '../figures.js'
import type { ResultRow } from '../results.js'
import { median } from '../statistics.js'
import type { BulkLoad } from '../tasks/bulk-load.js'

export const bulkLoadWorkload: Workload = {
  name: 'bulk-load',
  title: 'Bulk load',
  about:
    'A new process puts all rows into a new database with one durable transaction (classic-level: one batch). The rate is that of the ' +
    'transaction; the time until the database is closed is told as well, since some stores leave work for that. Each database is ' +
    'opened again and read through.',

  async run(bench) {
    const rows: ResultRow[] = []
    // Who would commit makes no difference here: a writer process is for many clients.
    const contenders = writersOf(bench).filter(({ isServed }) => !isServed)
    for (const order of ['sorted', 'random'] as const) {
      const rounds = await alternate(
        bench,
        contenders,
        ({ name }) => `${order} keys: ${name}`,
        (contender) => oneLoad(bench, contender, { rowCount: bench.options.rowCount, order }),
      )
      for (const [contender, done] of rounds) rows.push(row(bench, `${order} keys`, contender, done))
    }
    return { rows }
  },
}

interface Load {
  readonly figures: Figures
  readonly sizeBytes: number
}

async function oneLoad({ databases }: Bench, contender: Contender, parameters: BulkLoad): Promise<Load> {
  const path = databases.newPath(contender)
  try {
    return await withAgent({ peer: contender.peer, path, settings: FULL_TEXT, connect: false }, async (agent) => {
      const times = await agent.run('bulkLoad', parameters)
      const figures = { perSecond: parameters.rowCount / times.loadSeconds, ...times, ...agent.memory }
      return { figures, sizeBytes: databaseSize(path) }
    })
  } finally {
    databases.remove(path)
  }
}

function row({ options: { rowCount } }: Bench, name: string, contender: Contender, done: readonly Load[]): ResultRow {
  const data = { sizeBytes: median(done.map(({ sizeBytes }) => sizeBytes)) }
  return resultRow({ case: name, contender, data, rowCount, rounds: done.map(({ figures }) => figures) })
}
