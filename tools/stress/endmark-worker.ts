/** A worker that uses Endmark. Its lanes run side by side, so that their commits share appends to the log. */
import { open, type Transaction } from '../../src/index.js'
import { type Engine, readSettings, TIMEOUT_MS, work } from './worker.js'
import { type Access, CELLS, LANES, runWrite } from './workload.js'

const { path, options } = readSettings()
const db = await open(path, { ...options, create: false, timeout: TIMEOUT_MS })
const cells = await db.map<number, string>(CELLS)
const lanes = await db.map<number, string>(LANES)

const accessOf = (tx: Transaction): Access => ({
  cell: (key) => tx.get(cells, key),
  lane: (lane) => tx.get(lanes, lane),
  putCell: (key, text) => void tx.put(cells, key, text),
  putLane: (lane, text) => void tx.put(lanes, lane, text),
})

const engine: Engine = {
  write: (command) => db.transaction((tx) => runWrite(accessOf(tx), command)),
  pin: () => {
    const snapshot = db.snapshot()
    return {
      cell: (key) => snapshot.get(cells, key),
      all: () => snapshot.range(cells),
      close: () => snapshot.close(),
    }
  },
  checkpoint: (mode) => db.checkpoint({ mode }),
  close: () => db.close(),
}

work(engine)
