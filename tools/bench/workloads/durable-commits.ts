/** One-row durable commits: P processes, each with O commits that wait at the same time, replace values at uniform random keys. */
import { type Workload, writersOf } from '../bench.js'
import { commitCase } from '../commits.js'
import type { ResultRow } from '../results.js'

export const durableCommits: Workload = {
  name: 'commits',
  title: 'One-row durable commits',
  about:
    'Processes x outstanding: so many processes, each with so many commits that wait at the same time, replace values of random keys. A ' +
    'latency is a caller’s: from its call until it can go on. Stores that block the thread make the callers of one process take ' +
    'turns. `endmark` has a writer process, `endmark inline` has none. LevelDB and Turso are for one process.',

  async run(bench) {
    const rows: ResultRow[] = []
    for (const { processes, outstanding } of bench.options.cases) {
      const commits = { case: `${processes} x ${outstanding}`, processes, outstanding }
      rows.push(...(await commitCase(bench, commits, writersOf(bench, processes))))
    }
    return { rows }
  },
}
