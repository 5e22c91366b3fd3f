/**
 * A reader process: in one snapshot after the other it reads single cities, ranges of cities and the sum of
 * all inhabitants. What it checks: the sum is always the same, and a snapshot shows the same at its end as
 * at its beginning, whatever was committed meanwhile. It works in slices of about a millisecond, as a server would that answers
 * others meanwhile.
 */
import type { Snapshot } from '../../src/index.js'
import type { City } from './cities.js'
import { nextTurn, randomBelow, runWorker, type Work } from './worker.js'

const POINT_READS = 2000
const RANGES = 20
const RANGE_LENGTH = 100
/** Cities that are read in one turn of the event loop. */
const SLICE = 500

await runWorker(1, readSnapshot)

async function readSnapshot(work: Work): Promise<void> {
  using snapshot = work.db.snapshot()
  const sample = Array.from({ length: POINT_READS }, () => work.cityIds[randomBelow(work.cityIds.length)]!)
  const before = await readCities(work, snapshot, sample)
  for (let done = 0; done < RANGES; done++) {
    readRange(work, snapshot)
    await nextTurn()
  }
  await addUp(work, snapshot)
  const after = await readCities(work, snapshot, sample)
  const changed = before.findIndex((population, index) => population !== after[index])
  if (changed >= 0) work.count.violations.push(`city ${sample[changed]} changed inside a snapshot`)
}

async function readCities(work: Work, snapshot: Snapshot, ids: readonly number[]): Promise<number[]> {
  const populations: number[] = []
  for (const id of ids) {
    populations.push(readCity(work, snapshot, id))
    if (populations.length % SLICE === 0) await nextTurn()
  }
  return populations
}

function readCity({ cities, count }: Work, snapshot: Snapshot, id: number): number {
  const city = snapshot.get(cities, id)
  count.reads++
  if (city?.id !== id) count.violations.push(`city ${id} is missing`)
  return city?.population ?? 0
}

function readRange({ cities, cityIds, count }: Work, snapshot: Snapshot): void {
  const start = randomBelow(cityIds.length)
  const expected = cityIds.slice(start, start + RANGE_LENGTH)
  const found: City[] = [...snapshot.range(cities, { gte: expected[0]!, limit: RANGE_LENGTH })]
  count.reads++
  const isRight = found.length === expected.length && found.every((city, index) => city.id === expected[index])
  if (!isRight) count.violations.push(`the range from city ${expected[0]} shows other cities`)
}

async function addUp({ cities, total, count }: Work, snapshot: Snapshot): Promise<void> {
  let sum = 0
  let added = 0
  for (const city of snapshot.range(cities)) {
    sum += city.population
    if (++added % SLICE === 0) await nextTurn()
  }
  count.scans++
  if (sum !== total) count.violations.push(`${sum} inhabitants at end mark ${snapshot.endMark}, not ${total}`)
}
