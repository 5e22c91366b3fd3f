/** One-row commits of one process that a power loss may take back, but not the death of the process. */
import { type Workload, writersOf } from '../bench.js'
import { commitCase } from '../commits.js'
import type { ResultRow } from '../results.js'

const OUTSTANDING = [1, 64]

export const normalCommits: Workload = {
  name: 'normal-commits',
  title: 'One-row commits, synchronous normal',
  about:
    'As above, in one process, and acknowledged without waiting for the disk: SQLite, Turso and Endmark with `synchronous` normal, lmdb-js ' +
    'with `overlappingSync`, LevelDB without `sync`.',

  async run(bench) {
    const rows: ResultRow[] = []
    for (const outstanding of OUTSTANDING) {
      const settings = { synchronous: 'normal' as const }
      const commits = { case: `1 x ${outstanding}`, processes: 1, outstanding, settings }
      rows.push(...(await commitCase(bench, commits, writersOf(bench))))
    }
    return { rows }
  },
}
