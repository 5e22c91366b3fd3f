/** What checkpoints do to commits that go on meanwhile: the same commits with checkpoints and without. */
import { type Workload, writersOf } from '../bench.js'
import { commitCase } from '../commits.js'
import type { ResultRow } from '../results.js'

const OUTSTANDING = 16

export const checkpointCommits: Workload = {
  name: 'checkpoint-commits',
  title: 'Commits under checkpoints',
  about:
    'One process commits one row at a time, to random keys, so that nearly every commit changes another page. With checkpoints the log ' +
    'is copied as each store does by default; without, it only grows. LMDB and LevelDB have no such log. A writer process has its ' +
    'own setting, so Endmark is measured without one.',

  async run(bench) {
    const rows: ResultRow[] = []
    const withLog = writersOf(bench).filter(({ name }) => LOGGED.includes(name))
    for (const synchronous of ['full', 'normal'] as const) {
      for (const [checkpoints, settings] of [
        ['checkpoints', {}],
        ['no checkpoints', { autoCheckpoint: 0 }],
      ] as const) {
        const commits = { case: `${synchronous}, ${checkpoints}`, processes: 1, outstanding: OUTSTANDING }
        rows.push(...(await commitCase(bench, { ...commits, settings: { synchronous, ...settings } }, withLog)))
      }
    }
    return { rows }
  },
}

const LOGGED = ['endmark inline', 'better-sqlite3', 'node:sqlite']
