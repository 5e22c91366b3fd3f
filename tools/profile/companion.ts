/** A process beside the profiled one: does what it was started for until its parent lets go of it. */
import { open, startWriter } from './engine.js'
import { mapOf, nextValue, RandomKeys } from './rows.js'
import type { Companion } from './workloads/index.js'

const [path = '', kind = '', rowCount] = process.argv.slice(2)
const companion = JSON.parse(kind) as Companion

async function commitAlways({ callers, synchronous, inline }: Extract<Companion, { kind: 'commits' }>): Promise<void> {
  const db = await open(path, { writer: inline ? 'inline' : 'auto', synchronous })
  const map = await mapOf(db)
  const keys = new RandomKeys(Number(rowCount))
  const caller = async (): Promise<never> => {
    for (;;) await map.put(keys.next(), nextValue())
  }
  for (let number = 0; number < callers; number++) void caller()
  process.once('disconnect', () => process.exit())
}

async function serve(): Promise<void> {
  const writer = await startWriter(path)
  process.once('disconnect', () => void writer.stop('the profile is complete'))
}

await (companion.kind === 'commits' ? commitAlways(companion) : serve())
process.send?.('ready')
