/**
 * Runs schedules until one fails: `hunt-main.js <first seed> <runs> [<HuntOptions as JSON>]`. Prints what it found as JSON, and exits with 1 if
 * one has failed.
 */
import { type HuntOptions, hunt } from './schedule.js'

const [first = '1', runs = '100', options = '{}'] = process.argv.slice(2)
const { failure, ...found } = await hunt(Number(first), Number(runs), JSON.parse(options) as HuntOptions)
process.stdout.write(
  JSON.stringify({ ...found, seed: failure?.seed ?? null, error: failure === null ? null : String(failure.error) }),
)
if (failure !== null) process.exitCode = 1
