/** YCSB A to F in one process. */
import { withAgent } from '../agents.js'
import { alternate, type Bench, FULL_TEXT, makeDatabases, resultRow, type Workload, writersOf } from '../bench.js'
import type { Contender } from '../contenders.js'
import type { Figures } from '../figures.js'
import type { ResultRow } from '../results.js'
import { type MixName, YCSB_MIXES } from '../tasks/ycsb.js'

const OUTSTANDING = 16
const PURPOSE = 'ycsb'

export const ycsbWorkload: Workload = {
  name: 'ycsb',
  title: 'YCSB A to F',
  about:
    'The core mixes of YCSB on these rows, keys in its zipfian distribution, in one process with 16 callers, synchronous normal. ' +
    'A read-modify-write is a transaction, but of classic-level, which has none, a read and a write.',

  async run(bench) {
    const rows: ResultRow[] = []
    // A writer process would not be asked: one process alone commits faster by itself.
    const contenders = writersOf(bench).filter(({ isServed }) => !isServed)
    await makeDatabases(bench, contenders, { rowCount: bench.options.rowCount, purpose: PURPOSE })
    const rowCounts = new Map(contenders.map((contender) => [contender, bench.options.rowCount]))
    for (const mix of Object.keys(YCSB_MIXES) as MixName[])
      rows.push(...(await oneMix(bench, mix, contenders, rowCounts)))
    return { rows }
  },
}

/** @param rowCounts grow with what is inserted */
async function oneMix(
  bench: Bench,
  mix: MixName,
  contenders: readonly Contender[],
  rowCounts: Map<Contender, number>,
): Promise<ResultRow[]> {
  const name = `${mix}: ${YCSB_MIXES[mix].about}`
  const rounds = await alternate(
    bench,
    contenders,
    (contender) => `YCSB ${mix}: ${contender.name}`,
    (contender, round) => oneRound(bench, { mix, seed: round }, contender, rowCounts),
  )
  const rows: ResultRow[] = []
  for (const [contender, done] of rounds) {
    const data = await pathFor(bench, contender)
    const rowCount = rowCounts.get(contender)!
    const conditions = { synchronous: 'normal', outstanding: OUTSTANDING } as const
    rows.push(resultRow({ case: name, contender, data, rowCount, rounds: done, ...conditions }))
  }
  return rows
}

async function oneRound(
  bench: Bench,
  run: { readonly mix: MixName; readonly seed: number },
  contender: Contender,
  rowCounts: Map<Contender, number>,
): Promise<Figures> {
  const { warmUpSeconds, seconds } = bench.options
  const rowCount = rowCounts.get(contender)!
  const path = await pathFor(bench, contender)
  const settings = { ...FULL_TEXT, synchronous: 'normal' } as const
  return withAgent({ peer: contender.peer, path, settings }, async (agent) => {
    const time = { warmUpSeconds, seconds: seconds / 2 }
    const { perSecond, inserted } = await agent.run('ycsb', { ...run, ...time, rowCount, outstanding: OUTSTANDING })
    rowCounts.set(contender, rowCount + inserted)
    return { perSecond, ...agent.memory }
  })
}

function pathFor({ databases, options: { rowCount } }: Bench, contender: Contender): Promise<string> {
  return databases.pathFor(contender, { rowCount, purpose: PURPOSE })
}
