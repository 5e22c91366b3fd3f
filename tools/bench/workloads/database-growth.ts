/** What a point read costs as the database grows. */
import { readCase, readersOf, readTime, type Workload, withReaders } from '../bench.js'
import type { ResultRow } from '../results.js'

export const databaseGrowth: Workload = {
  name: 'database-growth',
  title: 'Point reads as the database grows',
  about: 'One process reads random keys as under “all keys, autocommit”, in databases of several sizes.',

  async run(bench) {
    const rows: ResultRow[] = []
    for (const rowCount of bench.options.databaseRows) {
      const kind = { rowCount }
      const contenders = readersOf(bench)
      const parameters = { ...readTime(bench), rowCount, seed: 1, keys: { of: 'all' }, state: 'autocommit' } as const
      const name = `${rowCount.toLocaleString('en-US')} rows`
      const done = await withReaders(bench, contenders, kind, (readers) =>
        readCase(bench, { case: name, rowCount }, readers, async (agent) => ({
          perSecond: await agent.run('pointReads', parameters),
        })),
      )
      rows.push(...done.map((row) => ({ ...row, x: rowCount })))
      // Large ones take much of the disk; the one that the other workloads use is still wanted.
      if (rowCount === bench.options.rowCount) continue
      for (const contender of contenders) bench.databases.remove(await bench.databases.pathFor(contender, kind))
    }
    return { rows }
  },
}
