/** The same as kill-writer.ts, by SQLite: takes turns with its lanes, since it has one transaction at a time. */
import { once } from 'node:events'
import { openSync, writeSync } from 'node:fs'
import Database from 'better-sqlite3'
import type { KillWriterStart } from './kill-writer.js'
import { laneAfterThis, stepOf } from './lane.js'

process.on('disconnect', () => process.exit())
process.send?.('ready')
const [{ path, options, acknowledgedPath, lanes }] = (await once(process, 'message')) as [KillWriterStart]
const acknowledged = openSync(acknowledgedPath, 'a')
const db = new Database(path, { timeout: 20_000 })
db.pragma(`synchronous = ${options.synchronous}`)
db.pragma(`wal_autocheckpoint = ${options.autoCheckpoint}`)
const readStep = db.prepare('SELECT value FROM last_steps WHERE key = ?').pluck()
const writeStep = db.prepare('INSERT OR REPLACE INTO last_steps VALUES (?, ?)')
const putRow = db.prepare('INSERT OR REPLACE INTO rows VALUES (?, ?)')
const deleteRow = db.prepare('DELETE FROM rows WHERE key = ?')
const addAmount = db.prepare(
  'INSERT INTO accounts VALUES (:lane, :amount) ON CONFLICT (key) DO UPDATE SET value = value + :amount',
)

const takeStep = db.transaction((lane: number): number => {
  const step = ((readStep.get(lane) as number | undefined) ?? 0) + 1
  const { puts, expired, moved } = stepOf(lane, step)
  for (const [key, text] of puts) putRow.run(key, text)
  if (expired !== null) deleteRow.run(expired)
  addAmount.run({ lane, amount: -moved })
  addAmount.run({ lane: laneAfterThis(lane), amount: moved })
  writeStep.run(lane, step)
  return step
})

process.send?.('running')
while (true) {
  for (const lane of lanes) writeSync(acknowledged, `${lane} ${takeStep.immediate(lane)}\n`)
}
