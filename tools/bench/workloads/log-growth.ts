/** What a point read costs as the log grows and nobody copies it. */
import { type Bench, type Reader, readCase, readersOf, readTime, type Workload, withReaders } from '../bench.js'
import type { ResultRow } from '../results.js'

const STORES_WITH_LOG = ['endmark', 'better-sqlite3', 'node:sqlite']
const SETTINGS = { autoCheckpoint: 0, synchronous: 'normal' } as const

export const logGrowth: Workload = {
  name: 'log-growth',
  title: 'Point reads as the log grows',
  about:
    'Checkpoints are off. Transactions replace values of random rows until the log has so many frames; then one process reads ' +
    'random keys as under “all keys, autocommit”.',

  async run(bench) {
    const { rowCount, logFrames } = bench.options
    const contenders = readersOf(bench).filter(({ name }) => STORES_WITH_LOG.includes(name))
    const kind = { rowCount, purpose: 'log-growth' }
    const rows: ResultRow[] = []
    await withReaders(
      bench,
      contenders,
      kind,
      async (readers) => {
        for (const frames of logFrames) rows.push(...(await readsAt(bench, frames, readers)))
      },
      SETTINGS,
    )
    for (const contender of contenders) bench.databases.remove(await bench.databases.pathFor(contender, kind))
    return { rows }
  },
}

async function readsAt(bench: Bench, frames: number, readers: readonly Reader[]): Promise<ResultRow[]> {
  const { rowCount } = bench.options
  for (const { contender, agent } of readers) {
    bench.progress(`a log of ${frames} frames: ${contender.name}`)
    await agent.run('growLog', { rowCount, seed: frames, frames })
  }
  const parameters = { ...readTime(bench), rowCount, seed: 1, keys: { of: 'all' }, state: 'autocommit' } as const
  const name = `${frames.toLocaleString('en-US')} frames`
  const rows = await readCase(bench, { case: name, rowCount }, readers, async (agent) => ({
    perSecond: await agent.run('pointReads', parameters),
  }))
  return rows.map((row) => ({ ...row, x: frames, conditions: { ...row.conditions, synchronous: 'normal' } }))
}
