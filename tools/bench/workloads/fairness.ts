/**
 * A SQLite process with a timeout of five seconds makes 1,000 one-row commits on a database that Endmark processes write to as fast as
 * they can, once through a writer process and once inline. SQLite polls for the lock, in the end ten times a second: it must
 * find gaps.
 */
import type { ClientProcess } from '../clients.js'
import { withClients } from '../clients.js'
import { type Contender, isOurs } from '../contenders.js'
import type { Databases } from '../databases.js'
import type { BenchOptions } from '../options.js'
import { figuresOf, type RoundFigures, runOf } from '../round.js'
import { withWriterProcess } from '../writer-process.js'

const SQLITE_COMMITS = 1000
const SQLITE_SECONDS_MAX = 300
const ENDMARK_PROCESSES = 2
const ENDMARK_OUTSTANDING = 64

export interface FairnessFigures {
  /** Which of Endmark's ways to commit SQLite stood beside. */
  readonly beside: string
  readonly sqlite: RoundFigures & { readonly commits: number }
  readonly endmark: RoundFigures
}

export async function fairness(
  options: BenchOptions,
  databases: Databases,
  progress: (text: string) => void,
): Promise<FairnessFigures[]> {
  const figures: FairnessFigures[] = []
  for (const contender of options.contenders.filter(isOurs)) {
    progress(`${SQLITE_COMMITS} commits of SQLite beside ${contender.name}`)
    figures.push(await beside(contender, options, await databases.pathFor(contender)))
  }
  return figures
}

async function beside(
  contender: Contender,
  { rowCount, warmUpSeconds }: BenchOptions,
  path: string,
): Promise<FairnessFigures> {
  const sqlite = { peer: 'better-sqlite3' as const, path, rowCount, outstanding: 1, seed: 0 }
  const ours = Array.from({ length: ENDMARK_PROCESSES }, (_, index) => ({
    peer: contender.peer,
    path,
    rowCount,
    outstanding: ENDMARK_OUTSTANDING,
    seed: index + 1,
  }))
  const run = () => withClients([sqlite, ...ours], (clients) => untilSqliteIsDone(clients, warmUpSeconds))
  const [theirs, ...others] = contender.isServed ? await withWriterProcess(path, run) : await run()
  return {
    beside: contender.name,
    sqlite: { commits: theirs!.commits, ...figuresOf([theirs!]) },
    endmark: figuresOf(others),
  }
}

async function untilSqliteIsDone([sqlite, ...others]: readonly ClientProcess[], warmUpSeconds: number) {
  const run = runOf(warmUpSeconds, SQLITE_SECONDS_MAX)
  const results = others.map((client) => client.run(run))
  const sqliteResult = await sqlite!.run({ ...run, commitCountMax: SQLITE_COMMITS })
  for (const client of others) client.stop()
  return Promise.all([sqliteResult, ...results])
}
