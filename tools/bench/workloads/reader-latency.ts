/** How long single reads take while another process commits as fast as it can. */
import { withAgents } from '../agents.js'
import { alternate, type Bench, FULL_TEXT, makeDatabases, resultRow, served, type Workload } from '../bench.js'
import { commitFigures, latencyFigures, whistle } from '../commits.js'
import type { Contender } from '../contenders.js'
import type { Figures } from '../figures.js'
import type { ResultRow } from '../results.js'
import { plainReads } from './plain-reads.js'

const SYNCHRONOUS = 'normal'
const WRITER_OUTSTANDING = 64

export const readerLatency: Workload = {
  name: 'reader-latency',
  title: 'Reads beside a saturating writer',
  about:
    'One process commits rows with 64 commits outstanding, synchronous normal; another reads a random key in each turn of its event loop, ' +
    'always in the newest state, and times each read. What it reads must never go back in time.',

  async run(bench) {
    const rows: ResultRow[] = []
    const { rowCount } = bench.options
    const contenders = plainReads(bench.contenders.filter(({ isShared }) => isShared))
    await makeDatabases(bench, contenders, { rowCount })
    const rounds = await alternate(
      bench,
      contenders,
      ({ name }) => `reads beside a writer: ${name}`,
      (contender) => oneRound(bench, contender),
    )
    for (const [contender, done] of rounds) {
      const data = await bench.databases.pathFor(contender, { rowCount })
      const name = 'one reader, one writer'
      const row = {
        case: name,
        contender,
        data,
        rowCount,
        rounds: done,
        synchronous: SYNCHRONOUS,
        processes: 2,
      } as const
      rows.push(resultRow({ ...row, outstanding: WRITER_OUTSTANDING }))
    }
    return { rows }
  },
}

async function oneRound({ databases, options }: Bench, contender: Contender): Promise<Figures> {
  const { rowCount, warmUpSeconds, seconds } = options
  const path = await databases.pathFor(contender, { rowCount })
  const start = { peer: contender.peer, path, settings: { ...FULL_TEXT, synchronous: SYNCHRONOUS } as const }
  return served(contender, path, () =>
    withAgents([start, start], async ([reader, writer]) => {
      const time = { rowCount, ...whistle(warmUpSeconds, seconds) }
      const [read, written] = await Promise.all([
        reader!.run('turnReads', { ...time, seed: 1 }),
        writer!.run('commitLoop', { ...time, seed: 2, outstanding: WRITER_OUTSTANDING }),
      ])
      const committedPerSecond = commitFigures([written]).perSecond ?? 0
      return {
        perSecond: (read.reads / read.elapsedMs) * 1000,
        ...latencyFigures([read.latencies]),
        committedPerSecond,
        ...reader!.memory,
      }
    }),
  )
}
