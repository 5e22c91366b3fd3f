/**
 * A SQLite process with a timeout of five seconds makes 1,000 one-row commits on a database that Endmark processes write to as fast as
 * they can, once through a writer process and once inline. SQLite polls for the lock, in the end ten times a second: it must
 * find gaps.
 */
import { type Agent, withAgents } from '../agents.js'
import { type Bench, resultRow, served, type Workload } from '../bench.js'
import { COMMIT_FIGURES, clientsOf, commitFigures, whistle } from '../commits.js'
import { type Contender, isOurs } from '../contenders.js'
import { type Figures, only } from '../figures.js'
import type { ResultRow } from '../results.js'
import type { CommitLoop, CommitLoopResult } from '../tasks/commit-loop.js'

const SQLITE_COMMITS = 1000
const SQLITE_COMMITS_QUICK = 50
const SQLITE_SECONDS_MAX = 300
const ENDMARK_PROCESSES = 2
const ENDMARK_OUTSTANDING = 64

export const fairness: Workload = {
  name: 'fairness',
  title: 'SQLite beside Endmark',
  about:
    'A SQLite process with a timeout of five seconds commits rows on the same file that two Endmark processes write to as fast as they ' +
    'can, with 64 commits outstanding each.',

  async run(bench) {
    const rows: ResultRow[] = []
    for (const contender of bench.contenders.filter(isOurs)) {
      bench.progress(`SQLite beside ${contender.name}`)
      rows.push(...(await besideSqlite(bench, contender)))
    }
    return { rows }
  },
}

async function besideSqlite({ databases, options }: Bench, contender: Contender): Promise<ResultRow[]> {
  const { rowCount } = options
  const path = await databases.pathFor(contender, { rowCount })
  const sqlite: Contender = { ...contender, name: 'better-sqlite3', peer: 'better-sqlite3' }
  const starts = [
    ...clientsOf({ contender: sqlite, path }, { processes: 1 }),
    ...clientsOf({ contender, path }, { processes: ENDMARK_PROCESSES }),
  ]
  const commitCountMax = options.isQuick ? SQLITE_COMMITS_QUICK : SQLITE_COMMITS
  const run = { rowCount, ...whistle(options.warmUpSeconds, SQLITE_SECONDS_MAX) }
  const [theirs, ...ours] = await served(contender, path, () =>
    withAgents(starts, (agents) => untilSqliteIsDone(agents, { ...run, commitCountMax })),
  )
  const common = { case: `beside ${contender.name}`, data: path, rowCount }
  return [
    resultRow({ ...common, contender: sqlite, rounds: [figuresOf([theirs!])] }, { note: `${theirs!.commits} commits` }),
    resultRow({
      ...common,
      contender,
      rounds: [figuresOf(ours)],
      processes: ENDMARK_PROCESSES,
      outstanding: ENDMARK_OUTSTANDING,
    }),
  ]
}

async function untilSqliteIsDone(
  [sqlite, ...others]: readonly Agent[],
  { commitCountMax, ...run }: Omit<CommitLoop, 'seed' | 'outstanding'>,
): Promise<CommitLoopResult[]> {
  const results = others.map((agent, index) =>
    agent.run('commitLoop', { ...run, seed: index + 1, outstanding: ENDMARK_OUTSTANDING }),
  )
  const theirs = await sqlite!.run('commitLoop', {
    ...run,
    ...(commitCountMax && { commitCountMax }),
    seed: 0,
    outstanding: 1,
  })
  for (const agent of others) agent.stop()
  return [theirs, ...(await Promise.all(results))]
}

function figuresOf(results: readonly CommitLoopResult[]): Figures {
  return only(commitFigures(results), COMMIT_FIGURES)
}
