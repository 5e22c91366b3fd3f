/** A writer process: moves inhabitants between random cities, several transactions at a time. */
import { randomBelow, runWorker, type Work } from './worker.js'

/** Callers that wait for their commit at the same time; they share one append to the log and one sync. */
const LANES = 16
const MOVE_MAX = 1000

await runWorker(LANES, moveInhabitants)

async function moveInhabitants({ db, cities, cityIds, count }: Work): Promise<void> {
  const fromId = cityIds[randomBelow(cityIds.length)]!
  const toId = cityIds[randomBelow(cityIds.length)]!
  if (fromId === toId) return
  await db.transaction((tx) => {
    const from = tx.get(cities, fromId)!
    const to = tx.get(cities, toId)!
    const moved = Math.min(from.population, 1 + randomBelow(MOVE_MAX))
    tx.update(cities, fromId, { population: from.population - moved })
    tx.update(cities, toId, { population: to.population + moved })
  })
  count.commits++
}
