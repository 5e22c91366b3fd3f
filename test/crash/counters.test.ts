/**
 * Read-modify-write from many processes: counters by key, incremented by transactions of eight processes, one counter that
 * all of them want and ten thousand others, while the writer process is killed every 300 ms and SQLite processes
 * increment as well. Every sum is exact: no increment is lost, none is applied twice (TXN-6).
 */
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { type Database, open } from '../../src/index.js'
import { startEndmark } from '../support/endmark-process.js'
import { temporaryPath } from '../support/open-database.js'
import { integrityCheck, startReferee } from '../support/referee.js'
import { killWriter, startWriter } from '../support/writer-process.js'

const PROCESS_COUNT = 8
const SQLITE_PROCESS_COUNT = 2
const RUN_MIN_MS = 3000
const KILL_EVERY_MS = 300
const KILLS_MIN = 5
const KEY_COUNT = 10_000
/** Once this key is there, it is over. */
const STOP_KEY = -1

/** What one process did: how often it has incremented each key, and through what. */
interface Share {
  readonly counts: [number, number][]
  readonly modes: string[]
}

test(`counters of ${PROCESS_COUNT} processes are exact while writer processes are killed and SQLite writes`, async (t) => {
  t.timeout(120_000)
  const path = temporaryPath(t)
  const db = await open(path, { writer: 'inline' })
  await db.map<number, number>('counters', { key: 'integer', value: 'integer' })
  await db.close()
  const processes = await Promise.all(Array.from({ length: PROCESS_COUNT }, () => startEndmark(t, path)))
  const referees = await Promise.all(Array.from({ length: SQLITE_PROCESS_COUNT }, () => startReferee(t, path)))
  const sharing = Promise.all([
    ...processes.map((process, i) => process.call(incrementFor, STOP_KEY, KEY_COUNT, i)),
    ...referees.map((referee, i) => referee.call(incrementBySqlite, STOP_KEY, KEY_COUNT, i)),
  ])
  const killCount = await killWriters(t, path)
  await stop(path)
  const shares = await sharing
  const expected = sumOf(shares)
  const total = [...expected.values()].reduce((sum, count) => sum + count, 0)
  const modes = [...new Set(shares.flatMap((share) => share.modes))].sort()
  t.log(
    `${total} increments, ${expected.get(0)} of one key, ${killCount} writer processes killed, by ${modes.join(', ')}`,
  )
  const after = await open(path, { writer: 'inline' })
  const counters = await after.map<number, number>('counters')
  t.deepEqual(new Map(counters.entries({ gt: STOP_KEY })), expected)
  await after.close()
  await Promise.all([...processes, ...referees].map((process) => process.kill()))
  t.is(await integrityCheck(t, path), 'ok')
})

async function killWriters(t: ExecutionContext<unknown>, path: string): Promise<number> {
  const endMs = performance.now() + RUN_MIN_MS
  let count = 0
  while (count < KILLS_MIN || performance.now() < endMs) {
    const writer = await startWriter(t, path)
    await delay(KILL_EVERY_MS)
    await killWriter(writer)
    count++
  }
  return count
}

async function stop(path: string): Promise<void> {
  const db = await open(path, { writer: 'inline', timeout: 60_000 })
  const counters = await db.map<number, number>('counters')
  await counters.put(STOP_KEY, 1)
  await db.close()
}

/** In the other process: sees nothing but its parameters. Sixteen callers at a time, one in four on the first key. */
async function incrementFor(db: Database, stopKey: number, keyCount: number, seed: number): Promise<Share> {
  const counters = await db.map<number, number>('counters')
  const counts = new Map<number, number>()
  const modes = new Set<string>()
  let state = seed + 1
  const run = async () => {
    while (!counters.has(stopKey)) {
      state = (state * 48271) % 2147483647
      const key = state % 4 === 0 ? 0 : 1 + (state % (keyCount - 1))
      await db.transaction((tx) => void tx.put(counters, key, (tx.get(counters, key) ?? 0) + 1))
      counts.set(key, (counts.get(key) ?? 0) + 1)
      modes.add(db.stats().writer.mode)
    }
  }
  await Promise.all(Array.from({ length: 16 }, run))
  return { counts: [...counts], modes: [...modes] }
}

/** The same by SQLite, with a pause after each. */
async function incrementBySqlite(
  db: import('better-sqlite3').Database,
  stopKey: number,
  keyCount: number,
  seed: number,
): Promise<Share> {
  db.pragma('busy_timeout = 20000')
  const add = db.prepare('INSERT INTO counters VALUES (?, 1) ON CONFLICT DO UPDATE SET value = value + 1')
  const hasEnded = db.prepare('SELECT 1 FROM counters WHERE key = ?').pluck()
  const counts = new Map<number, number>()
  let state = seed + 1
  while (hasEnded.get(stopKey) === undefined) {
    state = (state * 48271) % 2147483647
    const key = state % 4 === 0 ? 0 : 1 + (state % (keyCount - 1))
    add.run(key)
    counts.set(key, (counts.get(key) ?? 0) + 1)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return { counts: [...counts], modes: [] }
}

function sumOf(shares: readonly Share[]): Map<number, number> {
  const sums = new Map<number, number>()
  for (const { counts } of shares) for (const [key, count] of counts) sums.set(key, (sums.get(key) ?? 0) + count)
  return new Map([...sums].sort(([a], [b]) => a - b))
}
