/** A worker that uses SQLite, in a process that never loads Endmark's locks. It has one lane. */
import Database from 'better-sqlite3'
import { type Engine, readSettings, TIMEOUT_MS, work } from './worker.js'
import { CELLS, LANES, runWrite } from './workload.js'

const { path, options } = readSettings()
const db = openDatabase()
db.pragma(`synchronous = ${options.synchronous}`)
db.pragma(`wal_autocheckpoint = ${options.autoCheckpoint}`)
const readCell = db.prepare<[number], string>(`SELECT value FROM ${CELLS} WHERE key = ?`).pluck()
const readLane = db.prepare<[number], string>(`SELECT value FROM ${LANES} WHERE key = ?`).pluck()
const putCell = db.prepare(`INSERT OR REPLACE INTO ${CELLS} VALUES (?, ?)`)
const putLane = db.prepare(`INSERT OR REPLACE INTO ${LANES} VALUES (?, ?)`)
const write = db.transaction(runWrite)

const engine: Engine = {
  write: (command) =>
    write.immediate(
      {
        cell: (key) => readCell.get(key),
        lane: (lane) => readLane.get(lane),
        putCell: (key, text) => void putCell.run(key, text),
        putLane: (lane, text) => void putLane.run(lane, text),
      },
      command,
    ),
  pin: () => {
    // A connection of its own: a checkpoint or a transaction may run beside it.
    const reader = openDatabase()
    reader.exec('BEGIN')
    const read = reader.prepare<[number], string>(`SELECT value FROM ${CELLS} WHERE key = ?`).pluck()
    const readAll = reader.prepare<[], [number, string]>(`SELECT key, value FROM ${CELLS} ORDER BY key`).raw()
    return { cell: (key) => read.get(key), all: () => readAll.all(), close: () => void reader.close() }
  },
  checkpoint: (mode) => db.pragma(`wal_checkpoint(${mode})`),
  close: () => void db.close(),
}

work(engine)

function openDatabase(): Database.Database {
  return new Database(path, { timeout: TIMEOUT_MS })
}
