/** One-row durable commits: P processes, each with O commits that wait at the same time, replace values at uniform random keys. */
import { type Bench, type Workload, writersOf } from '../bench.js'
import { commitCase } from '../commits.js'
import type { ResultRow } from '../results.js'

export const durableCommits: Workload = {
  name: 'commits',
  title: 'One-row durable commits',
  about:
    'Processes x outstanding: so many processes, each with so many commits that wait at the same time, replace values of random keys. A ' +
    'latency is a caller’s: from its call until it can go on. Stores that block the thread make the callers of one process take ' +
    'turns. `endmark` has a writer process, `endmark inline` has none. LevelDB and Turso are for one process.',

  run: allCases,
}

const FEW_ROWS = 10_000

/** Here several commits of a batch change the same page, and no store waits for memory. */
export const durableCommitsOfFewRows: Workload = {
  name: 'commits-few-rows',
  title: 'One-row durable commits, few rows',
  about: `The same with ${FEW_ROWS.toLocaleString('en-US')} rows: sessions, counters, queues.`,
  run: ({ options, ...bench }) => allCases({ ...bench, options: { ...options, rowCount: FEW_ROWS } }),
}

async function allCases(bench: Bench) {
  const rows: ResultRow[] = []
  for (const { processes, outstanding } of bench.options.cases) {
    const commits = { case: `${processes} x ${outstanding}`, processes, outstanding }
    rows.push(...(await commitCase(bench, commits, writersOf(bench, processes))))
  }
  return { rows }
}
