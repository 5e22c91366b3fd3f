/** Point reads of one process: hot keys, all keys, keys that are not there; each in the newest state, and in a snapshot. */
import type { Agent } from '../agents.js'
import { readCase, readersOf, readTime, type Workload, withReaders } from '../bench.js'
import type { ResultRow } from '../results.js'
import type { KeyChoice } from '../rows.js'

const CHOICES: readonly (readonly [string, KeyChoice])[] = [
  ['1,000 hot keys', { of: 'hot', count: 1000 }],
  ['10,000 hot keys', { of: 'hot', count: 10_000 }],
  ['all keys', { of: 'all' }],
  ['missing keys', { of: 'missing' }],
]
const STATES = ['autocommit', 'snapshot'] as const

export const pointReadsWorkload: Workload = {
  name: 'point-reads',
  title: 'Point reads',
  about:
    'One process reads values of random keys, one after the other: each read in the newest committed state (autocommit), ' +
    'or all in one snapshot (of SQLite: a transaction). lmdb-js is measured with `get`, whose values are copies, and with ' +
    '`getBinaryFast`, whose value is gone with the next read.',

  async run(bench) {
    const { rowCount } = bench.options
    const rows: ResultRow[] = []
    await withReaders(bench, readersOf(bench), { rowCount }, async (readers) => {
      for (const [choice, keys] of CHOICES) {
        for (const state of STATES) {
          const parameters = { ...readTime(bench), rowCount, seed: 1, keys, state }
          const measure = async (agent: Agent) => ({ perSecond: await agent.run('pointReads', parameters) })
          rows.push(...(await readCase(bench, { case: `${choice}, ${state}`, rowCount }, readers, measure)))
        }
      }
    })
    return { rows }
  },
}
