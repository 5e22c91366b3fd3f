/**
 * Random damage: each round changes some bytes of a sound database, or of its log, and tries out the whole API on it.
 * Everything ends in time with a result or a typed error, and what was refused is left as it was.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { readFiles } from '../support/damage.js'
import { openDatabase, temporaryPath } from '../support/open-database.js'
import { seededRandom } from '../support/random.js'
import { fillLog, soundBytes } from '../support/sound-database.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import type { DamageReport, DamageTask } from './damage-worker.js'

const WORKER_FILE = fileURLToPath(new URL('./damage-worker.js', import.meta.url))
/** Far more than a round takes on a busy machine. */
const ROUND_MS_MAX = 15_000
const MAIN_ROUNDS = Number(process.env.ENDMARK_DAMAGE_ROUNDS ?? 1000)
const LOG_ROUNDS = MAIN_ROUNDS / 2
/** Of all rounds together. */
const ROUNDS_MS_MAX = 300_000 + 300 * MAIN_ROUNDS

test('random damage of the main file never gets past typed errors', async (t) => {
  t.timeout(ROUNDS_MS_MAX)
  const files = { main: await soundBytes(), log: null, shm: null }
  await damageInThread(t, { files, rounds: MAIN_ROUNDS, target: 'main' })
})

test('random damage of the log never gets past typed errors', async (t) => {
  t.timeout(ROUNDS_MS_MAX)
  const path = temporaryPath(t)
  writeFileSync(path, await soundBytes())
  const db = await openDatabase(t, path, { autoCheckpoint: 0 })
  await fillLog(db)
  const files = { ...readFiles(path), shm: null }
  await damageInThread(t, { files, rounds: LOG_ROUNDS, target: 'log' })
})

async function damageInThread(t: ExecutionContext<unknown>, task: Omit<DamageTask, 'folder' | 'seed'>): Promise<void> {
  const seed = seededRandom(t).next32()
  const worker = new Worker(WORKER_FILE, { workerData: { ...task, folder: temporaryFolder(t), seed } })
  let last: DamageReport | undefined
  const reports: DamageReport[] = []
  let noticedAt = Date.now()
  worker.on('message', (report: DamageReport) => {
    last = report
    noticedAt = Date.now()
    if (report.findings.length > 0) reports.push(report)
  })
  const watchdog = setInterval(() => {
    if (Date.now() - noticedAt > ROUND_MS_MAX) void worker.terminate()
  }, 500)
  const code = await new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject))
  clearInterval(watchdog)
  t.is(code, 0, `stopped in round ${last?.round} of seed ${seed}: ${JSON.stringify(last?.changes)}`)
  t.is(last?.round, task.rounds - 1)
  for (const report of reports.slice(0, 5))
    t.fail(`round ${report.round}: ${JSON.stringify(report.changes)}: ${report.findings.slice(0, 3).join('\n')}`)
  t.is(reports.length, 0)
}
