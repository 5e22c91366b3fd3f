/**
 * A writer process of the kill test. It runs until it is killed, and appends to a plain file each step that
 * was acknowledged, after it was: what stands there must be in the database, whatever happens to the writer.
 */
import { once } from 'node:events'
import { openSync, writeSync } from 'node:fs'
import { type OpenOptions, open } from '../../src/index.js'
import { openLaneTables, takeStep } from './lane.js'

export interface KillWriterStart {
  readonly path: string
  readonly options: OpenOptions
  readonly acknowledgedPath: string
  readonly lanes: readonly number[]
}

process.on('disconnect', () => process.exit())
process.send?.('ready')
const [{ path, options, acknowledgedPath, lanes }] = (await once(process, 'message')) as [KillWriterStart]
const acknowledged = openSync(acknowledgedPath, 'a')
const db = await open(path, options)
const tables = await openLaneTables(db)
process.send?.('running')
await Promise.all(lanes.map(runLane))

async function runLane(lane: number): Promise<never> {
  while (true) {
    const step = await takeStep(db, tables, lane)
    writeSync(acknowledged, `${lane} ${step}\n`)
  }
}
