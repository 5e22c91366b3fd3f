/** Ranges of 100 rows from random keys on, forward and in reverse. */
import { readCase, readersOf, readTime, type Workload, withReaders } from '../bench.js'
import type { ResultRow } from '../results.js'
import { plainReads } from './plain-reads.js'

const ROWS_PER_SCAN = 100

export const rangeScansWorkload: Workload = {
  name: 'range-scans',
  title: 'Range scans',
  about:
    'One process goes over 100 rows from a random key on, with `for…of` over keys (text) and values (Buffers); the figure counts rows. ' +
    'Iterators of classic-level are asynchronous.',

  async run(bench) {
    const { rowCount } = bench.options
    const rows: ResultRow[] = []
    await withReaders(bench, plainReads(readersOf(bench)), { rowCount }, async (readers) => {
      for (const direction of ['forward', 'backward'] as const) {
        const parameters = { ...readTime(bench), rowCount, seed: 1, direction, rowsPerScan: ROWS_PER_SCAN }
        const name = `${ROWS_PER_SCAN} rows ${direction}`
        const done = await readCase(bench, { case: name, rowCount }, readers, async (agent) => ({
          perSecond: await agent.run('rangeScans', parameters),
        }))
        rows.push(...done)
      }
    })
    return { rows }
  },
}
