/** Whole scans by `for…of`, keys and values as Buffers. */
import { readCase, readersOf, readTime, type Workload, withReaders } from '../bench.js'
import { plainReads } from './plain-reads.js'

export const fullScanWorkload: Workload = {
  name: 'full-scan',
  title: 'Full scans',
  about:
    'One process goes over all rows with `for…of` (classic-level: `for await`), keys and values as Buffers: SQLite by `iterate`, ' +
    'lmdb-js by `getRange`. The keys of this database are blobs. The figure counts rows.',

  async run(bench) {
    const { rowCount } = bench.options
    const parameters = { ...readTime(bench), rowCount }
    const rows = await withReaders(bench, plainReads(readersOf(bench)), { rowCount, keys: 'blob' }, (readers) =>
      readCase(bench, { case: 'all rows', rowCount }, readers, async (agent) => ({
        perSecond: await agent.run('fullScan', parameters),
      })),
    )
    return { rows }
  },
}
