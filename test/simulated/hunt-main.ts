/** Runs schedules until one fails: `hunt-main.js <first seed> <runs> [watches] [groups]`. Prints what it found as JSON. */
import { hunt } from './schedule.js'

const [first = 1, runs = 100] = process.argv.slice(2).map(Number)
const options = { watches: process.argv.includes('watches'), groups: process.argv.includes('groups') }
const { failure, ...found } = await hunt(first, runs, options)
process.stdout.write(
  JSON.stringify({ ...found, seed: failure?.seed ?? null, error: failure === null ? null : String(failure.error) }),
)
