/**
 * A reader process: in one snapshot after the other it reads single cities, ranges of cities and the sum of
 * all inhabitants. What it checks: the sum is always the same, and a snapshot shows the same at its end as
 * at its beginning, whatever was committed meanwhile.
 */
import type { Snapshot } from '../../src/index.js'
import type { City } from './cities.js'
import { randomBelow, runWorker, type Work } from './worker.js'

const POINT_READS = 2000
const RANGES = 20
const RANGE_LENGTH = 100

await runWorker(1, readSnapshot)

function readSnapshot(work: Work): void {
  using snapshot = work.db.snapshot()
  const sample = Array.from({ length: POINT_READS }, () => work.cityIds[randomBelow(work.cityIds.length)]!)
  const before = sample.map((id) => readCity(work, snapshot, id))
  for (let done = 0; done < RANGES; done++) readRange(work, snapshot)
  addUp(work, snapshot)
  const after = sample.map((id) => readCity(work, snapshot, id))
  const changed = before.findIndex((population, index) => population !== after[index])
  if (changed >= 0) work.count.violations.push(`city ${sample[changed]} changed inside a snapshot`)
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

function addUp({ cities, total, count }: Work, snapshot: Snapshot): void {
  let sum = 0
  for (const city of snapshot.range(cities)) sum += city.population
  count.scans++
  if (sum !== total) count.violations.push(`${sum} inhabitants at end mark ${snapshot.endMark}, not ${total}`)
}
